/** The server's end of `gantry promote`. */
import { chmod } from 'node:fs/promises';
import type { PathHandler } from '#apiserver/contract.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { finishPromotion } from '#apiserver/promotion/finish.ts';
import type { WriteGate } from '#apiserver/promotion/gate.ts';
import { type Promoted, type PromotionStep, promote } from '#apiserver/promotion/promote.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf, StatusError } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import type { Logger } from '#machinery/log.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import type { Random } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import type { MemberStatus } from '#store/etcd/maintenance.ts';
import { LineQueue } from '../line-queue.ts';
import type { EtcdFlags, Settings } from '../options.ts';
import { setOldStoreAside } from './old-store.ts';
import { judgeTarget, quotaWarning } from './promotion-target.ts';
import { CLUSTER, etcdAccess, openStore } from './store.ts';
import { parseStore, type StoreChoice, storeText } from './store-choice.ts';
import { etcdFlagsOf, readStoreRecord, storeRecord, writeStoreRecord } from './store-record.ts';

export const PROMOTION_PATH = '/gantry/v1/promotion';

/** What the command asks for. */
export interface PromotionRequest {
  id: string;
  store: string;
  etcd: EtcdFlags;
}

/** A line of the answer (JSON, one a line). */
export type PromotionLine =
  | { progress: PromotionStep }
  | { warning: string }
  | { result: Promoted }
  | { error: string };

/** Where the state is, for who wants to know whether a promotion has come to its end. */
export interface PromotionState {
  store: string;
  /** One is under way. */
  running: boolean;
  promoted?: Promoted;
}

export interface PromotionParts {
  settings: Settings;
  store: Store;
  gate: WriteGate;
  /** PEM; its key names the cluster. */
  authority: string;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Called when the other store is in charge: the server is to end, and to start anew. */
  switched: (store: StoreChoice) => void;
}

/** For whoever RBAC lets `post` there: by default cluster-admin. */
export function promotionHandlers(parts: PromotionParts): PathHandler[] {
  let running = false;
  const begin = (request: PromotionRequest, store: StoreChoice): LineQueue<PromotionLine> => {
    running = true;
    const lines = new LineQueue<PromotionLine>(supersedes);
    run(parts, request, store, lines)
      .catch((error: unknown) => {
        parts.log.warn('The promotion was given up: the old store is in charge', { error: messageOf(error) });
        lines.push({ error: messageOf(error) });
      })
      .finally(() => {
        running = false;
        lines.end();
      });
    return lines;
  };
  return [
    {
      path: PROMOTION_PATH,
      verb: 'get',
      serve: async () => ({
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(await stateOf(parts.settings, running))),
      }),
    },
    {
      path: PROMOTION_PATH,
      verb: 'post',
      async serve({ request: { body } }) {
        const request = parseRequest(body);
        const store = refuseUnfit(parts.settings, request);
        if (running) throw new StatusError('Conflict', 'the cluster is being promoted already');
        const headers = { 'content-type': 'application/x-ndjson' };
        return { status: 200, headers, body: begin(request, store) };
      },
    },
  ];
}

async function stateOf(settings: Settings, running: boolean): Promise<PromotionState> {
  const record = await readStoreRecord(systemFiles(), settings.paths);
  return { store: storeText(settings.store), running, ...(record && { promoted: record.promoted }) };
}

function parseRequest(body: Uint8Array | undefined): PromotionRequest {
  try {
    const { id, store, etcd } = JSON.parse(Buffer.from(body ?? '').toString()) as PromotionRequest;
    if (typeof id === 'string' && typeof store === 'string') return { id, store, etcd: etcdFlagsOf(etcd) };
  } catch {
    // Said below.
  }
  throw new StatusError('BadRequest', 'the promotion is not described as this version knows it');
}

/** Throws before anything is begun. */
function refuseUnfit({ store: current }: Settings, { store: text }: PromotionRequest): StoreChoice {
  const store = parseStore(text);
  if (!store || store.kind === 'sqlite')
    throw new StatusError('BadRequest', `${JSON.stringify(text)} is no etcd`);
  if (current.kind !== 'sqlite')
    throw new StatusError('Conflict', `the state is in ${storeText(current)} already`);
  if (current.said)
    throw new StatusError(
      'Conflict',
      'the server was started with --store sqlite, which would be refused at its next start: start it without first',
    );
  return store;
}

/** Of steps that are told while nobody reads the last one counts. */
function supersedes(next: PromotionLine, last: PromotionLine): boolean {
  return 'progress' in next && 'progress' in last && next.progress.step === last.progress.step;
}

async function run(
  parts: PromotionParts,
  request: PromotionRequest,
  choice: StoreChoice,
  lines: LineQueue<PromotionLine>,
): Promise<void> {
  const { settings, store: source, gate, authority, clock, log, switched } = parts;
  const { id, etcd } = request;
  const { paths } = settings;
  log.info('The cluster is being promoted', { to: storeText(choice), id });
  const result = await withTarget(parts, etcd, choice, lines.unread, (target, members) =>
    promote({
      ...{ source, gate, target, clock, id, owner: keyHashOf(authority) },
      keys: keySpace(CLUSTER),
      signal: lines.unread,
      progress: (progress) => {
        const warning = progress.step === 'checked' && quotaWarning(members, progress.bytes);
        if (warning) lines.push({ warning });
        lines.push({ progress });
      },
      decide: (promoted) =>
        writeStoreRecord(systemFiles(), paths, storeRecord(choice, etcd, promoted, clock.now())),
    }),
  );
  log.info('The cluster is promoted, the server starts anew', { to: storeText(choice), ...result });
  lines.push({ result });
  switched(choice);
}

/** Opens the store that the cluster goes to, for as long as it is filled. Throws when it is unfit. */
async function withTarget<T>(
  { settings, clock, random, log }: PromotionParts,
  etcd: EtcdFlags,
  choice: StoreChoice,
  signal: AbortSignal,
  work: (target: Store, members: readonly MemberStatus[]) => Promise<T>,
): Promise<T> {
  const deps = { clock, random, log };
  // Only who asks for it pays for the client of etcd.
  if (choice.kind === 'managed-etcd') {
    const { withFirstMember } = await import('../managed-etcd/first.ts');
    const all = { ...deps, files: systemFiles(), signal };
    return await withFirstMember(settings, `/gantry/${CLUSTER}/`, all, (target) => work(target, []));
  }
  const { etcdStatus } = await import('#store/etcd/maintenance.ts');
  const endpoints = choice.kind === 'etcd' ? choice.endpoints : [];
  const members = judgeTarget(
    await etcdStatus({ ...etcdAccess(etcd, endpoints), clock, retryMs: STATUS_MS }),
  );
  const target = await openStore({ store: choice, ...etcd, paths: settings.paths }, CLUSTER, deps);
  return await work(target, members).finally(() => target.close());
}

/** How long each member is asked for its state. */
const STATUS_MS = 3_000;

/**
 * What is left to do of a promotion when a server starts in its data directory: the old store is put aside, and the mark that kept
 * others from the new one is taken away. Harmless when nothing is left.
 */
export async function endPromotion({ paths }: Settings, store: Store, clock: Clock): Promise<void> {
  const files = systemFiles();
  const record = await readStoreRecord(files, paths);
  if (!record) return;
  // Whatever happened when it was written, it is on the disk before the first write to the new store.
  await writeStoreRecord(files, paths, record);
  const { id, base } = record.promoted;
  await setOldStoreAside(files, paths, storeText(record.store), chmod);
  await finishPromotion(store, keySpace(CLUSTER), { id, base, now: clock.now() });
}
