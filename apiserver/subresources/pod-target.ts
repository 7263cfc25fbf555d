import { PodKind } from '#api/kinds/pod.ts';
import type { Pod } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { ObjectReader, RequestInfo } from '../contract.ts';

/** The pod a log, exec, attach or port-forward is about. NotFound in the words of Kubernetes. */
export function podOf(info: RequestInfo, objects: ObjectReader): Pod {
  const pod = objects.get(PodKind, info.name, info.namespace);
  if (pod) return pod;
  throw new StatusError('NotFound', `pods ${JSON.stringify(info.name)} not found`, {
    name: info.name,
    kind: 'pods',
  });
}

/** The node that runs the pod; BadRequest while there is none. */
export function hostOf(pod: Pod): string {
  const node = pod.spec?.nodeName;
  if (node) return node;
  throw new StatusError('BadRequest', `pod ${pod.metadata.name} does not have a host assigned`);
}

/**
 * The container that is meant: the one named, or the only one. BadRequest in the words of Kubernetes (registry/core/pod).
 */
export function containerOf(pod: Pod, asked: string): string {
  const { name } = pod.metadata;
  const containers = (pod.spec?.containers ?? []).map((each) => each.name);
  const init = (pod.spec?.initContainers ?? []).map((each) => each.name);
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((each) => each.name);
  if (asked) {
    if ([...containers, ...init, ...ephemeral].includes(asked)) return asked;
    throw new StatusError('BadRequest', `container ${asked} is not valid for pod ${name}`);
  }
  if (containers.length === 1) return containers[0]!;
  const or = (kind: string, names: string[]) =>
    names.length > 0 ? ` or one of the ${kind} containers: [${names.join(' ')}]` : '';
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${or('init', init)}`,
  );
}

/** The query string for the agent: the parameters in `allowed`, as they came, and the container that is meant. */
export function agentQuery(query: URLSearchParams, allowed: readonly string[], container?: string): string {
  const passed = new URLSearchParams();
  for (const [name, value] of query) if (allowed.includes(name)) passed.append(name, value);
  if (container !== undefined) passed.set('container', container);
  const text = passed.toString();
  return text === '' ? '' : `?${text}`;
}
