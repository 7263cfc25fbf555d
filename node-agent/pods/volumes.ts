import type { Pod, Volume } from '#api/objects.ts';
import { messageOf } from '#machinery/errors.ts';
import { type MountedVolume, type VolumeDriver, VolumeError } from '#volumes/contract.ts';
import { podDirectory, podMemoryDirectory, volumeDirectory } from '../paths.ts';
import { podReferences } from '../sources/references.ts';
import type { PodTokens } from '../sources/tokens.ts';
import type { PodContext } from './context.ts';
import { EffectFault } from './fault.ts';

type Context = Pick<PodContext, 'volumes' | 'sources' | 'paths' | 'node' | 'files'>;

/** Seconds between looks at a missing source that a watch did not announce. */
const MAX_RETRY_MS = 30_000;

/** Makes or refreshes all volumes of a pod at once. `dueMs`: when a token in them has to be renewed. */
export async function mountVolumes(
  pod: Pod,
  context: Context,
  tokens: PodTokens,
): Promise<{ volumes: Map<string, MountedVolume>; dueMs: number }> {
  const { namespace = '', uid = '' } = pod.metadata;
  let dueMs = Number.POSITIVE_INFINITY;
  const sources = {
    configMap: (name: string) => context.sources.configMap(namespace, name),
    secret: (name: string) => context.sources.secret(namespace, name),
    async token(audience: string | undefined, expirationSeconds: number) {
      const token = await tokens.get(pod, audience, expirationSeconds);
      dueMs = Math.min(dueMs, token.renewAtMs);
      return token.text;
    },
  };
  const mount = async (volume: Volume): Promise<[string, MountedVolume]> => {
    const driver = driverOf(context.volumes, volume);
    const directory = volumeDirectory(context.paths, uid, driver, volume.name, driver.inMemory(volume));
    const owners = ownersOf(pod);
    const nodeAllocatable = context.node.allocatable;
    try {
      return [
        volume.name,
        await driver.mount({ pod, volume, directory, sources, nodeAllocatable, ...owners }),
      ];
    } catch (error) {
      throw new EffectFault(
        'FailedMount',
        `MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(error)}`,
        MAX_RETRY_MS,
      );
    }
  };
  // Waiting for the sources and fetching tokens go on at the same time where a volume needs only one of them.
  try {
    await context.sources.acquire(uid, namespace, podReferences(pod));
  } catch (error) {
    throw new EffectFault('FailedMount', messageOf(error), MAX_RETRY_MS);
  }
  const volumes = new Map(await Promise.all((pod.spec?.volumes ?? []).map(mount)));
  return { volumes, dueMs };
}

/** Removes the pod's volumes and all its other files but its logs. */
export async function unmountVolumes(pod: Pod, context: Context): Promise<void> {
  const uid = pod.metadata.uid!;
  for (const volume of pod.spec?.volumes ?? []) {
    const driver = context.volumes.find((one) => one.accepts(volume));
    if (!driver) continue;
    const directory = volumeDirectory(context.paths, uid, driver, volume.name, driver.inMemory(volume));
    await driver.unmount({ directory });
  }
  await context.files.remove(podDirectory(context.paths, uid));
  await context.files.remove(podMemoryDirectory(context.paths, uid));
}

function driverOf(drivers: readonly VolumeDriver[], volume: Volume): VolumeDriver {
  const driver = drivers.find((one) => one.accepts(volume));
  if (driver) return driver;
  const types = Object.keys(volume).filter((key) => key !== 'name');
  throw new VolumeError(`volumes of type ${types.join(', ')} are not supported`, false);
}

/** fsGroup, and the user of the pod when all containers have the same. */
function ownersOf(pod: Pod): { fsGroup?: number; fsUser?: number } {
  const shared = pod.spec?.securityContext;
  const users = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(
    (container) => container.securityContext?.runAsUser ?? shared?.runAsUser,
  );
  const [user] = users;
  const one = user !== undefined && users.every((other) => other === user);
  return { ...(shared?.fsGroup !== undefined && { fsGroup: shared.fsGroup }), ...(one && { fsUser: user }) };
}
