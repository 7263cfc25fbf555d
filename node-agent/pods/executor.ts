import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import { NetworkError } from '#network/contract.ts';
import { RuntimeError, type SandboxSpec } from '#runtime/contract.ts';
import { removeLog } from '../logs/rotate.ts';
import { logPath } from '../paths.ts';
import type { PodTokens } from '../sources/tokens.ts';
import { allocationOf } from '../spec/allocation.ts';
import { containerId } from '../spec/container.ts';
import { ConfigFault } from '../spec/fault.ts';
import { runtimeHandlerOf } from '../spec/handler.ts';
import { podHostname } from '../spec/hosts.ts';
import { sandboxSpec } from '../spec/sandbox.ts';
import { stopSignalOf } from '../spec/stop-signal.ts';
import { fieldPath, type PodContext } from './context.ts';
import type { Effect } from './effects.ts';
import { EffectFault } from './fault.ts';
import type { Fact } from './learn.ts';
import { makeContainer, podAddressesOf, snapshotId, writePodFiles } from './make-container.ts';
import type { Neighbours } from './neighbours.ts';
import type { Observed } from './observed.ts';
import { removeSnapshots } from './orphans.ts';
import { allocate, resizePod } from './resize.ts';
import { runPostStart, stopContainer } from './stop-container.ts';
import { findContainer } from './view.ts';
import { mountVolumes, unmountVolumes } from './volumes.ts';

/** What an effect works on: the newest pod, what is known, and where its result goes. */
export interface Work {
  /** With what it has been granted of the node. */
  pod: Pod;
  /** As its object is, with a wish that may not be granted. */
  wantedPod: Pod;
  neighbours: Neighbours;
  observed: Observed;
  context: PodContext;
  tokens: PodTokens;
  /** Takes a fact in and lets the worker look again; an exit is taken in when its last words have been read. */
  tell(fact: Fact): void | Promise<void>;
  /** preStop hooks that have run: a second, shorter stop does not run them again. */
  preStopped: Set<string>;
  /** Aborts when that start of the container has ended. */
  ended(container: string, attempt: number): AbortSignal;
}

type Execute = { [E in Effect as E['do']]: (effect: E, work: Work) => Promise<void> };

/** Total: a new effect does not compile until it is handled. Rejections are noted and tried again by the worker. */
const EXECUTE: Execute = {
  async resolveImage({ container: name }, { pod, context, tell }) {
    const found = findContainer(pod, name);
    if (!found) return;
    const outcome = await context.images.ensure(pod, found.container);
    if ('failed' in outcome) {
      tell({ is: 'image', container: name, image: { failed: outcome.failed }, retryAtMs: outcome.retryAtMs });
    } else {
      tell({ is: 'image', container: name, image: outcome });
    }
  },

  async mountVolumes(_, { pod, observed, context, tokens, tell }) {
    // On the node's network the addresses are known; other pods get these files when they are attached.
    if (pod.spec?.hostNetwork && !observed.volumes) await writePodFiles(pod, observed, context);
    const { sourcesRevision } = observed;
    const mounted = await mountVolumes(pod, context, tokens);
    tell({ is: 'volumesMounted', ...mounted, sourcesRevision });
  },

  async createSandbox(_, { pod, context, tell }) {
    const { hostname } = podHostname(pod, context.node.clusterDomain);
    const allocation = allocationOf(pod.spec!);
    try {
      const handler = await runtimeHandlerOf(pod, context.client);
      const spec = sandboxSpec(pod, hostname, handler, context.paths, context.node.limits);
      const make = (own: Partial<SandboxSpec>) => context.runtime.createSandbox({ ...spec, ...own });
      const hasOwnUsers = pod.spec?.hostUsers === false;
      const state = await (hasOwnUsers
        ? context.userIds.give(spec.id, (userNamespace) => make({ userNamespace }))
        : make({}));
      tell(
        state.state === 'lost'
          ? { is: 'sandboxLost', nowMs: context.clock.now() }
          : { is: 'sandboxReady', networkNamespace: state.networkNamespace, allocation },
      );
    } catch (error) {
      throw new EffectFault('FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`);
    }
  },

  async attachNetwork(_, { pod, observed, context, tell }) {
    const uid = pod.metadata.uid!;
    try {
      const attachment = await context.network.attach(uid, observed.networkNamespace);
      await writePodFiles(pod, { ...observed, attachment }, context);
      tell({ is: 'attached', attachment });
    } catch (error) {
      const code = error instanceof NetworkError ? ` (${error.code})` : '';
      throw new EffectFault(
        'FailedCreatePodSandBox',
        `Failed to create pod sandbox: failed to setup network for sandbox "${uid}"${code}: ${messageOf(error)}`,
      );
    }
  },

  startContainer,

  async startProbes({ container: name, attempt }, { pod, observed, context, tell }) {
    const found = findContainer(pod, name);
    const run = observed.containers.get(name)?.run;
    if (!found || !run) return;
    const alreadyStarted = observed.containers.get(name)?.started === true;
    tell({ is: 'probing', container: name, attempt });
    context.prober.start({
      pod,
      container: found.container,
      startedAtMs: run.startedAtMs,
      alreadyStarted,
      target: {
        sandbox: pod.metadata.uid!,
        containerId: run.id,
        container: found.container,
        podIP: podAddressesOf(pod, observed, context.node.hostIPs)[0] ?? '',
      },
      tell(news) {
        if (news.is === 'started') tell({ is: 'probed', container: name, attempt, started: true });
        else if (news.is === 'ready') tell({ is: 'probed', container: name, attempt, ready: news.ready });
        else {
          const { message, graceMs } = news;
          const why = { reason: 'Killing', message, ...(graceMs !== undefined && { graceMs }) };
          tell({ is: 'unhealthy', container: name, attempt, why });
        }
      },
    });
  },

  stopContainer,

  allocate: (_, work) => allocate(work),
  resizePod: (_, work) => resizePod(work),

  async forgetContainer({ id }, { pod, context, tell }) {
    const uid = pod.metadata.uid!;
    await context.runtime.removeContainer(uid, id);
    await context.snapshots.remove(snapshotId(uid, id));
    const at = id.lastIndexOf('.');
    const log = logPath(context.paths, pod, id.slice(0, at), Number(id.slice(at + 1)));
    await removeLog(context.files, log);
    tell({ is: 'forgotten', id });
  },

  async removeSandbox(_, { pod, context, tell }) {
    const uid = pod.metadata.uid!;
    context.prober.stopPod(uid);
    await context.runtime.removeSandbox(uid);
    await removeSnapshots(uid, context);
    tell({ is: 'sandboxRemoved' });
  },

  async detachNetwork(_, { pod, context, tell }) {
    await context.network.detach(pod.metadata.uid!);
    tell({ is: 'detached' });
  },

  async unmountVolumes(_, { pod, context, tokens, tell }) {
    await unmountVolumes(pod, context);
    context.sources.release(pod.metadata.uid!);
    tokens.forget(pod.metadata.uid!);
    tell({ is: 'unmounted' });
  },

  /** Only now the object may go: nothing of the pod is left on the node, and its last status is written. */
  async deleteObject(_, { pod, context, tell }) {
    const { name, namespace, uid } = pod.metadata;
    await context.status.flush(uid!, context.signal);
    try {
      await context.client.delete(PodKind, { name, namespace }, { uid, graceSeconds: 0 });
    } catch (error) {
      // Gone, or its name belongs to another pod by now: either way this one is deleted.
      if (isStatus(error, 'NotFound', 'Conflict')) return void tell({ is: 'deleted' });
      throw new EffectFault(
        'FailedDelete',
        `The pod could not be deleted: ${messageOf(error)}`,
        DELETE_RETRY_MS,
      );
    }
    tell({ is: 'deleted' });
  },
};

/** The object of a pod that is gone is all that holds up who waits for its name. */
const DELETE_RETRY_MS = 5_000;

export function execute(effect: Effect, work: Work): Promise<void> {
  return (EXECUTE[effect.do] as (effect: Effect, work: Work) => Promise<void>)(effect, work);
}

async function startContainer(effect: Extract<Effect, { do: 'startContainer' }>, work: Work): Promise<void> {
  const { pod, observed, context, tell } = work;
  const { container: name, attempt } = effect;
  const uid = pod.metadata.uid!;
  const found = findContainer(pod, name);
  const image = observed.images.get(name);
  if (!found || !image || 'failed' in image) return;
  const id = containerId(name, attempt);
  const say = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    context.recorder.record(pod, type, { reason, message }, fieldPath(pod, name));
  const stopSignal = stopSignalOf(image.image.config.stopSignal);
  const run = {
    ...{ id, attempt, image: found.container.image ?? '', imageId: image.imageId },
    resources: found.container.resources ?? {},
    ...(stopSignal !== undefined && { stopSignal }),
  };
  try {
    const spec = await makeContainer(pod, found.container, attempt, image, observed, context);
    say('Normal', 'Created', `Created container: ${name}`);
    const state = await context.runtime.startContainer(uid, spec);
    say('Normal', 'Started', `Started container ${name}`);
    tell({ is: 'started', container: name, run: { ...run, startedAtMs: state.startedAtMs } });
  } catch (error) {
    const message = messageOf(error);
    say('Warning', 'Failed', `Error: ${message}`);
    if (error instanceof RuntimeError && error.code === 'CannotRun') {
      const now = context.clock.now();
      tell({ is: 'started', container: name, run: { ...run, startedAtMs: now } });
      const exit = {
        code: CANNOT_RUN_CODE,
        reason: 'ContainerCannotRun',
        message,
        finishedAtMs: now,
      } as const;
      tell({ is: 'exited', container: name, attempt, exit });
      return;
    }
    if (error instanceof RuntimeError && error.code === 'NotFound') {
      tell({ is: 'sandboxLost', nowMs: context.clock.now() });
      return;
    }
    const reason = error instanceof ConfigFault ? error.reason : 'CreateContainerError';
    throw new EffectFault(reason, message, MAX_CONFIG_RETRY_MS);
  }
  await runPostStart(found.container, attempt, work);
  tell({ is: 'hooked', container: name, attempt });
}

/** What a program that cannot be executed counts as having exited with. Source: containerd, StartError. */
const CANNOT_RUN_CODE = 128;
/** A missing ConfigMap is looked for again this often even when no watch announces it. */
const MAX_CONFIG_RETRY_MS = 10_000;
