import { containerObserved, isRunning, type Run } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';
import { findContainer } from '../pods/view.ts';
import type { PodWorker } from '../pods/worker.ts';
import { RequestFault } from './fault.ts';

/** What a request is about: `/exec/<namespace>/<pod>?container=<name>`. */
export interface RequestTarget {
  /** First part of the path: containerLogs, exec, attach, portForward. */
  action: string;
  namespace: string;
  pod: string;
  query: URLSearchParams;
}

/** Undefined when the path has another form. */
export function parseTarget(url: string): RequestTarget | undefined {
  const { pathname, searchParams } = new URL(url, 'http://agent');
  const [action, namespace, pod, ...rest] = pathname.slice(1).split('/').map(decodeURIComponent);
  if (!action || !namespace || !pod || rest.length > 0) return undefined;
  return { action, namespace, pod, query: searchParams };
}

export function workerOf(roster: Pick<PodRoster, 'find'>, { namespace, pod }: RequestTarget): PodWorker {
  const worker = roster.find(namespace, pod);
  if (!worker) throw new RequestFault(404, `pod ${JSON.stringify(pod)} is not on this node`);
  return worker;
}

/** The container named in the query; the only one when none is named. */
export function containerNameOf(worker: PodWorker, { query }: RequestTarget): string {
  const name = query.get('container') || worker.pod().spec?.containers[0]?.name || '';
  if (!findContainer(worker.pod(), name))
    throw new RequestFault(404, `container not found (${JSON.stringify(name)})`);
  return name;
}

/** The start of a container that runs now: what one can exec into. */
export function runningOf(worker: PodWorker, name: string): Run {
  const observed = containerObserved(worker.observed(), name);
  if (!isRunning(observed)) throw new RequestFault(404, `container not found (${JSON.stringify(name)})`);
  return observed.run!;
}

/** The start whose log is wanted: the newest, or the one before it. Source: kubelet, validateContainerLogStatus. */
export function logRunOf(worker: PodWorker, name: string, previous: boolean): Run {
  const { run, last, waiting } = containerObserved(worker.observed(), name);
  const pod = worker.pod().metadata.name;
  const where = `container ${JSON.stringify(name)} in pod ${JSON.stringify(pod)}`;
  if (previous) {
    // While it waits to be started anew, the newest start is the previous one.
    const found = waiting && run?.exit ? run : (last ?? (run?.exit && run.attempt > 0 ? run : undefined));
    if (!found) throw new RequestFault(400, `previous terminated ${where} not found`);
    return found;
  }
  if (run) return run;
  if (waiting) {
    const pulling = /^(ErrImage|ImagePull|InvalidImage)/.test(waiting.reason);
    const why = pulling ? `trying and failing to pull image` : waiting.reason;
    throw new RequestFault(400, `${where} is waiting to start: ${why}`);
  }
  throw new RequestFault(400, `${where} is waiting to start: ContainerCreating`);
}
