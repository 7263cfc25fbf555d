import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Container, Pod, ServiceAccount, Volume } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import { nameSuffix, type Random } from '#machinery/random.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '../contract.ts';
import { appear } from './appear.ts';
import { refusal } from './refuse.ts';

/** Where a container finds its token, the CA and its namespace. */
const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Published into each namespace by a controller. */
const ROOT_CA_CONFIG_MAP = 'kube-root-ca.crt';
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Seven seconds beyond an hour tell a token of this plugin from one a user asked for, as in Kubernetes. */
const TOKEN_SECONDS = 3607;
/** A new namespace's account is made by a controller just after it. */
const ACCOUNT_WAIT_MS = 1000;

/** Every pod runs as a service account that exists, and finds a token in its containers. Source: Kubernetes ServiceAccount admission. */
export function serviceAccountPlugin(clock: Clock, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    async mutate(request, objects) {
      const pod = newPod(request);
      if (!pod?.spec) return;
      if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
        if (pod.spec.serviceAccountName)
          throw refusal(request, 'a mirror pod may not reference service accounts');
        return;
      }
      const name = pod.spec.serviceAccountName || pod.spec.serviceAccount || 'default';
      pod.spec.serviceAccountName = name;
      // The old name of the field, which clients still read.
      pod.spec.serviceAccount = name;
      const account = await accountOf(request, name, objects, clock);
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = account.imagePullSecrets.map((secret) => ({ ...secret }));
      }
      if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) {
        mountToken(pod, random);
      }
    },
  };
}

/** The pod of a create; undefined for all other requests. */
export function newPod(request: AdmissionRequest): Pod | undefined {
  const { kind, operation, subresource, object } = request;
  if (operation !== 'CREATE' || kind.group !== '' || kind.plural !== 'pods' || subresource !== '')
    return undefined;
  return object as Pod | undefined;
}

async function accountOf(
  request: AdmissionRequest,
  name: string,
  objects: ObjectReader,
  clock: Clock,
): Promise<ServiceAccount> {
  const { namespace } = request;
  const found =
    objects.get(ServiceAccountKind, name, namespace) ??
    (await appear(objects, ServiceAccountKind, { name, namespace }, ACCOUNT_WAIT_MS, clock));
  if (found) return found;
  throw refusal(
    request,
    `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
  );
}

function mountToken(pod: Pod, random: Random): void {
  const spec = pod.spec!;
  const containers: Container[] = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].filter(
    (container) => !(container.volumeMounts ?? []).some((mount) => mount.mountPath === TOKEN_MOUNT_PATH),
  );
  if (containers.length === 0) return;
  const mine = (spec.volumes ?? []).find((volume) => volume.name?.startsWith('kube-api-access-'));
  const volume = mine ?? tokenVolume(`kube-api-access-${nameSuffix(random)}`);
  if (!mine) spec.volumes = [...(spec.volumes ?? []), volume];
  for (const container of containers) {
    const mount = { name: volume.name, readOnly: true, mountPath: TOKEN_MOUNT_PATH };
    container.volumeMounts = [...(container.volumeMounts ?? []), mount];
  }
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: ROOT_CA_CONFIG_MAP, items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}
