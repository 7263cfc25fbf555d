import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { ConfigMap, Namespace } from '#api/objects.ts';
import type { Plan } from '../framework/contract.ts';

/** Mounted into pods beside their token. Source: Kubernetes, "Managing Service Accounts". */
export const ROOT_CA = 'kube-root-ca.crt';

const DESCRIPTION = {
  'kubernetes.io/description': 'The CA that signs the certificate of the apiserver inside the cluster.',
};

/** Each namespace holds the CA, as it is now. */
export function planRootCa(
  namespace: Namespace,
  map: ConfigMap | undefined,
  ca: string,
): Plan<Kind<ConfigMap>> {
  if (namespace.metadata.deletionTimestamp) return { actions: [] };
  const data = { 'ca.crt': ca };
  if (!map) {
    const metadata = { name: ROOT_CA, namespace: namespace.metadata.name, annotations: DESCRIPTION };
    const why = { reason: 'NoRootCa', message: 'pods need the CA to trust the apiserver' };
    const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
    return { actions: [{ do: 'create', kind: ConfigMapKind, object, why }] };
  }
  if (map.data?.['ca.crt'] === ca && Object.keys(map.data).length === 1) return { actions: [] };
  const why = { reason: 'WrongRootCa', message: 'it does not hold the CA of the apiserver' };
  return { actions: [{ do: 'update', kind: ConfigMapKind, object: { ...map, data }, why }] };
}

/** What the kubeconfig in cluster-info, as the servers write it, has for authority. */
export function authorityOf(clusterInfo: ConfigMap | undefined): string | undefined {
  const kubeconfig = clusterInfo?.data?.['kubeconfig'] ?? '';
  const [, data] = /^ *certificate-authority-data: *([A-Za-z0-9+/=]+)$/m.exec(kubeconfig) ?? [];
  return data && Buffer.from(data, 'base64').toString();
}
