import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import type { ConfigMap } from '#api/objects.ts';
import {
  AUTHORITIES,
  AUTHORITY_NAMES,
  type AuthorityName,
  type AuthorityState,
  authorityState,
  withAuthority,
} from '#api/semantics/authorities.ts';
import { BOOTSTRAP_TOKEN_NAMESPACE, BOOTSTRAP_TOKEN_TYPE } from '#api/semantics/bootstrap-tokens.ts';
import { ROTATE_AUTHORITY_PATH } from '#api/well-known.ts';
import type { Why } from '#api/why.ts';
import { BOOTSTRAP_ACTOR } from '#apiserver/authorization/reconcile.ts';
import { liveServers, NAMESPACE } from '#apiserver/bootstrap/servers.ts';
import type { PathHandler, RequestContext } from '#apiserver/contract.ts';
import type { ApiServer } from '#apiserver/server.ts';
import { type Clock, rfc3339, sleep } from '#machinery/clock.ts';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { Paths } from '../../paths.ts';
import type { Pki } from '../pki.ts';
import { adopt, makeSuccessor } from './adopt.ts';
import type { Pending, RotationMode } from './automatic.ts';
import { dueStep } from './due.ts';
import { fetchKeys } from './fetch-keys.ts';
import { rotationMetrics } from './metrics.ts';
import {
  afterStep,
  droppableMs,
  laggingText,
  type Observed,
  ROTATION_STEPS,
  type RotationAnswer,
  type RotationStatus,
  type RotationStep,
  rotationStatus,
} from './plan.ts';

export interface RotationDeps {
  paths: Paths;
  files: Files;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
  pki(): Pki;
  mode: RotationMode;
  /** How long a certificate lives at most that an authority signs. */
  leafMs: number;
}

/** The server that follows. */
interface Follower {
  server: Pick<ApiServer, 'engine' | 'tellAuthorities'>;
  /** Makes anew what the authorities sign, and takes all into use. */
  refresh(): Promise<unknown>;
  /** An event. */
  tell(type: 'Normal' | 'Warning', why: Why): void;
}

const REASONS: Record<RotationStep, string> = {
  trust: 'AuthorityTrusted',
  issue: 'AuthorityIssues',
  drop: 'AuthorityDropped',
  cancel: 'AuthorityCancelled',
};
const TAKEN: Record<RotationStep, string> = {
  trust: 'a new authority is trusted beside the one that signs',
  issue: 'the new authority signs, the old one is trusted beside it',
  drop: 'the old authority is trusted no more',
  cancel: 'the new authority is given up before it has signed anything',
};

const ROOT_CA = 'kube-root-ca.crt';
const RETRY_MS = 5_000;
/** Before the first rotation nobody has anything to follow. */
const NOBODY: Observed = { servers: [], nodes: [], namespaces: [], rootCas: [], tokens: [] };

/**
 * Replaces authorities. Any server can be asked to take the next step of one, which it writes into a ConfigMap; all of them
 * follow what that says, and take keys that they have not from one that does.
 */
export class AuthorityRotation {
  readonly #deps: RotationDeps;
  #follower: Follower | undefined;
  #last: Promise<void> = Promise.resolve();
  readonly handlers: readonly PathHandler[];

  constructor(deps: RotationDeps) {
    this.#deps = deps;
    const path = ROTATE_AUTHORITY_PATH;
    this.handlers = [
      { path, verb: 'get', serve: () => this.#status() },
      { path, verb: 'post', serve: (context) => this.#serveStep(context) },
    ];
  }

  get mode(): RotationMode {
    return this.#deps.mode;
  }

  /** Keeps this server with the authorities of the cluster, from now on. */
  follow(follower: Follower): void {
    this.#follower = follower;
    const key = `${AUTHORITIES.namespace}/${AUTHORITIES.name}`;
    const stop = follower.server.engine.onChange(ConfigMapKind, (changed) => {
      if (changed === key) void this.#keepTrying();
    });
    this.#deps.signal.addEventListener('abort', stop, { once: true });
  }

  get #engine(): ApiServer['engine'] {
    if (!this.#follower) throw new StatusError('ServiceUnavailable', 'the server is not ready yet');
    return this.#follower.server.engine;
  }

  get #data(): Record<string, string> | undefined {
    return this.#engine.get(ConfigMapKind, AUTHORITIES.name, AUTHORITIES.namespace)?.data;
  }

  /** Before the first rotation it is this server's own. */
  #present(name: AuthorityName): AuthorityState {
    return authorityState(this.#data, name) ?? { bundle: this.#deps.pki().trusted[name], phase: 'stable' };
  }

  #observed(name: AuthorityName): Observed {
    if (!authorityState(this.#data, name)) return NOBODY;
    const engine = this.#engine;
    return {
      servers: liveServers(engine.list(LeaseKind, NAMESPACE), this.#deps.clock.now()),
      nodes: engine.list(NodeKind),
      namespaces: engine.list(NamespaceKind),
      rootCas: engine.list(ConfigMapKind).filter(({ metadata }) => metadata.name === ROOT_CA),
      tokens: engine
        .list(SecretKind, BOOTSTRAP_TOKEN_NAMESPACE)
        .filter(({ type }) => type === BOOTSTRAP_TOKEN_TYPE),
    };
  }

  #statusOf(name: AuthorityName): RotationStatus {
    const { clock, leafMs } = this.#deps;
    return rotationStatus(name, this.#present(name), this.#observed(name), { now: clock.now(), leafMs });
  }

  /** What there is to do about each, and when. */
  async pending(): Promise<Pending[]> {
    await this.#engine.fresh();
    return AUTHORITY_NAMES.map((name) => {
      const waits = laggingText(this.#statusOf(name).waitsFor);
      const due = dueStep(this.#present(name), this.#deps.leafMs);
      return { name, due, ...(waits !== undefined && { waits }) };
    });
  }

  /** In the Prometheus exposition format. */
  metrics(): string {
    return this.#follower ? rotationMetrics(AUTHORITY_NAMES.map((name) => this.#statusOf(name))) : '';
  }

  async #status(): Promise<TransportResponse> {
    await this.#engine.fresh();
    const answer: RotationAnswer = {
      authorities: AUTHORITY_NAMES.map((name) => this.#statusOf(name)),
      mode: this.#deps.mode,
    };
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(`${JSON.stringify(answer)}\n`),
    };
  }

  async #serveStep({ info: { query } }: RequestContext): Promise<TransportResponse> {
    const name = AUTHORITY_NAMES.find((one) => one === query.get('authority'));
    if (!name) throw new StatusError('BadRequest', `authority is one of ${AUTHORITY_NAMES.join(', ')}`);
    const step = ROTATION_STEPS.find((one) => one === query.get('step'));
    if (!step) throw new StatusError('BadRequest', `step is one of ${ROTATION_STEPS.join(', ')}`);
    await this.#engine.fresh();
    await this.take(name, step, query.get('force') === 'true');
    return this.#status();
  }

  /** Takes a step. Throws Conflict out of turn, and while somebody has not followed the last one unless it is forced. */
  async take(name: AuthorityName, step: RotationStep, force: boolean): Promise<void> {
    const { files, paths, clock } = this.#deps;
    const state = this.#present(name);
    // Out of turn: before anything is made.
    afterStep(state, step, clock.now(), { made: state.bundle });
    const waits = laggingText(this.#statusOf(name).waitsFor);
    // Nobody can follow one whose key is lost, and nobody has to before it goes.
    if (waits !== undefined && !force && step !== 'cancel')
      throw new StatusError('Conflict', `these have not followed the last step of ${name} yet: ${waits}`);
    const droppable = (step === 'drop' && droppableMs(name, state)) || 0;
    if (clock.now() < droppable && !force)
      throw new StatusError('Conflict', `what the old ${name} signed for pods ends at ${rfc3339(droppable)}`);
    const made = step === 'trust' ? await makeSuccessor(files, paths.pki, name, this.#deps) : undefined;
    await this.#record(name, state, afterStep(state, step, clock.now(), made));
    const left = waits === undefined ? '' : `, without ${waits}`;
    this.#follower?.tell('Normal', { reason: REASONS[step], message: `${name}: ${TAKEN[step]}${left}` });
    await this.#catchUp();
  }

  /** Rejects with Conflict when another server was asked meanwhile. */
  async #record(name: AuthorityName, before: AuthorityState, after: AuthorityState): Promise<void> {
    const conflict = new StatusError('Conflict', 'another server replaces the authority now: ask again');
    if (!this.#data) {
      const data = withAuthority(undefined, name, after);
      const map: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...AUTHORITIES }, data };
      await this.#engine.create(ConfigMapKind, map, BOOTSTRAP_ACTOR).catch((error: unknown) => {
        throw isStatus(error, 'AlreadyExists') ? conflict : error;
      });
      return;
    }
    const at = [AUTHORITIES.name, AUTHORITIES.namespace] as const;
    await this.#engine.update(ConfigMapKind, ...at, BOOTSTRAP_ACTOR, (map) => {
      const found = authorityState(map.data, name) ?? { ...before, phase: 'stable' };
      if (found.bundle !== before.bundle || found.phase !== before.phase) throw conflict;
      return { ...map, data: withAuthority(map.data, name, after) };
    });
  }

  /** One after the other: each finds what the one before has done. */
  #catchUp(): Promise<void> {
    const work = () => this.#adopt();
    this.#last = this.#last.then(work, work);
    return this.#last;
  }

  async #adopt(): Promise<void> {
    const { files, paths, log, pki } = this.#deps;
    await this.#engine.fresh();
    const data = this.#data;
    if (!data || !this.#follower) return;
    const engine = this.#engine;
    const servers = authorityState(data, 'server-ca')?.bundle ?? '';
    const changed: string[] = [];
    for (const name of AUTHORITY_NAMES) {
      const state = authorityState(data, name);
      const others = () => fetchKeys(name, servers, { ...this.#deps, engine, pki: pki() });
      if (state && (await adopt(files, paths.pki, name, state, others)))
        changed.push(`${name}: ${state.phase}`);
    }
    if (changed.length > 0) {
      await this.#follower.refresh();
      log.info('The authorities of the cluster have changed', { changed });
    }
    await this.#follower.server.tellAuthorities();
  }

  async #keepTrying(): Promise<void> {
    const { clock, log, signal } = this.#deps;
    while (!signal.aborted)
      try {
        return await this.#catchUp();
      } catch (error) {
        log.warn('The authorities of the cluster could not be taken over', { error: messageOf(error) });
        await sleep(clock, RETRY_MS, signal).catch(() => {}); // only the abort ends it early
      }
  }
}
