import type { Container, Pod } from '#api/objects.ts';
import type { Mount } from '#runtime/contract.ts';
import { SnapshotError } from '#snapshots/names.ts';
import { podDirectory, terminationLogPath } from '../paths.ts';
import { containerId, containerSpec } from '../spec/container.ts';
import { containerEnv } from '../spec/env.ts';
import { hostsFile, podHostname } from '../spec/hosts.ts';
import { bind, volumeMounts } from '../spec/mounts.ts';
import { formatResolvConf, podResolvConf } from '../spec/resolv.ts';
import { serviceEnv } from '../spec/service-env.ts';
import { resolveUser } from '../spec/user.ts';
import type { PodContext } from './context.ts';
import type { ImageObserved, Observed } from './observed.ts';

/** The addresses of a pod as its containers see them. */
export function podAddressesOf(pod: Pod, observed: Observed, hostIPs: readonly string[]): string[] {
  return pod.spec?.hostNetwork ? [...hostIPs] : (observed.attachment?.addresses ?? []);
}

/** Name of a container's writable layer: unique on the node, of [a-z0-9.-]. */
export function snapshotId(uid: string, container: string): string {
  return `${uid}.${container}`;
}

/** Files that all containers of a pod share, written before the first one starts. */
export async function writePodFiles(pod: Pod, observed: Observed, context: PodContext): Promise<void> {
  const { node, files, paths } = context;
  const directory = podDirectory(paths, pod.metadata.uid!);
  const names = podHostname(pod, node.clusterDomain);
  const addresses = podAddressesOf(pod, observed, node.hostIPs);
  const conf = podResolvConf(pod, { dnsAddress: node.dnsAddress, domain: node.clusterDomain }, node.resolv);
  await files.mkdir(directory);
  await Promise.all([
    files.put(`${directory}/hosts`, hostsFile(pod, addresses, names, node.hosts), 0o644),
    files.put(`${directory}/hostname`, `${names.hostname}\n`, 0o644),
    files.put(`${directory}/resolv.conf`, formatResolvConf(conf), 0o644),
  ]);
}

const TERMINATION_LOG = '/dev/termination-log';

/** Everything one start of a container needs, gathered and made: the runtime's spec. Throws ConfigFault. */
export async function makeContainer(
  pod: Pod,
  container: Container,
  attempt: number,
  image: Extract<ImageObserved, { image: unknown }>,
  observed: Observed,
  context: PodContext,
) {
  const { node, paths } = context;
  const { name, namespace = '', uid = '' } = pod.metadata;
  const env = await environmentOf(pod, container, observed, context);
  const terminationLog = terminationLogPath(paths, uid, container.name, attempt);
  const [accounts, root, mounts] = await Promise.all([
    context.accounts(image.image.layers),
    prepareRoot(snapshotId(uid, containerId(container.name, attempt)), image.image.layers, context),
    volumeMounts(container, observed.volumes ?? new Map(), env, context.resolveSubPath),
    context.files.put(terminationLog, '', 0o666),
  ]);
  const user = resolveUser(
    image.image.config.user,
    accounts,
    { name, namespace, uid, spec: pod.spec! },
    container,
  );
  return containerSpec({
    pod,
    container,
    attempt,
    image: image.image,
    imageId: image.imageId,
    hostname: podHostname(pod, node.clusterDomain).hostname,
    user,
    env,
    root,
    mounts: [
      ...etcMounts(podDirectory(paths, uid), container),
      bind(terminationLog, container.terminationMessagePath || TERMINATION_LOG, false),
      ...mounts,
    ],
    profiles: context.profiles,
    nodeMemoryBytes: node.memoryBytes,
    ...(node.limits && { limits: node.limits }),
    paths,
  });
}

/** Nothing has run on this layer yet: when the image was changed since an attempt that failed, it is made anew. */
async function prepareRoot(
  id: string,
  layers: readonly string[],
  { snapshots }: Pick<PodContext, 'snapshots'>,
): Promise<Mount> {
  try {
    return await snapshots.prepare(id, layers);
  } catch (error) {
    if (!(error instanceof SnapshotError) || error.code !== 'LayersChanged') throw error;
    await snapshots.remove(id);
    return await snapshots.prepare(id, layers);
  }
}

async function environmentOf(pod: Pod, container: Container, observed: Observed, context: PodContext) {
  const { node, sources } = context;
  const namespace = pod.metadata.namespace ?? '';
  const podIPs = podAddressesOf(pod, observed, node.hostIPs);
  const links = pod.spec?.enableServiceLinks ?? true;
  return containerEnv({
    container,
    facts: { pod, podIPs, hostIPs: node.hostIPs, nodeAllocatable: node.allocatable },
    sources: {
      configMap: (name) => sources.configMap(namespace, name),
      secret: (name) => sources.secret(namespace, name),
    },
    serviceEnv: serviceEnv(await context.services(), namespace, links),
  });
}

/** /etc/hosts and its like, but not where the pod mounts something there itself. */
function etcMounts(directory: string, container: Container): Mount[] {
  const own = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  return [
    bind(`${directory}/hosts`, '/etc/hosts', false),
    bind(`${directory}/hostname`, '/etc/hostname', false),
    bind(`${directory}/resolv.conf`, '/etc/resolv.conf', false),
  ].filter(({ target }) => !own.has(target));
}
