import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { AUTHORITIES, authorityState } from '#api/semantics/authorities.ts';
import { CLUSTER_INFO } from '#api/well-known.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Engine } from '../contract.ts';
import { put } from './ensure.ts';
import type { BootstrapConfig } from './index.ts';

/**
 * The server and its authority as a kubeconfig, readable by everybody. It carries no signature: who joins here holds the
 * authority's hash. Source: kubeadm, "Discovery".
 */
export async function clusterInfo(
  engine: Engine,
  { advertise, certificateAuthority }: BootstrapConfig,
): Promise<void> {
  if (!advertise || !certificateAuthority) return;
  const replaced = engine.get(ConfigMapKind, AUTHORITIES.name, AUTHORITIES.namespace);
  // One that this server has not yet: it may have been away meanwhile.
  const authority = authorityState(replaced?.data, 'server-ca')?.bundle ?? certificateAuthority;
  const server = `https://${hostPort(advertise.address, advertise.port)}`;
  await put(engine, ConfigMapKind, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...CLUSTER_INFO },
    data: { kubeconfig: kubeconfigWithoutUser(server, authority) },
  });
}

/** A cluster and nobody in it, with the fields that client-go writes. */
function kubeconfigWithoutUser(server: string, certificateAuthority: string): string {
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from(certificateAuthority).toString('base64')}`,
    `    server: ${JSON.stringify(server)}`,
    '  name: ""',
    'contexts: null',
    'current-context: ""',
    'kind: Config',
    'preferences: {}',
    'users: null',
    '',
  ].join('\n');
}
