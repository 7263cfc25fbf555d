/** What every cluster has from its first start: namespaces, what the server says of itself, and the way pods reach the server and DNS. */

import { CLUSTER_SETTINGS, type ClusterSettings, clusterSettingsData } from '#api/cluster-settings.ts';
import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PriorityClassKind } from '#api/kinds/priority-class.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import type { Service } from '#api/objects.ts';
import { DNS_ADDRESS_INDEX } from '#api/semantics/services.ts';
import { isStatus } from '#machinery/errors.ts';
import { formatAddress, nthAddress, parseCidr } from '#machinery/values/cidr.ts';
import { SYSTEM_PRIORITY_CLASSES } from '../admission/index.ts';
import type { Engine } from '../contract.ts';
import { ensureApiServices } from './api-services.ts';
import { clusterInfo } from './cluster-info.ts';
import { ensure, put } from './ensure.ts';
import { ensureFlowControl } from './flow-control.ts';
import type { OwnNode } from './own-node.ts';
import { KUBERNETES, LABELS, PORT_NAME } from './servers.ts';

const BOOTSTRAP_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export interface BootstrapConfig {
  serviceCidr: string;
  /** Where pods reach this server; the `kubernetes` Service is left alone without one. */
  advertise?: { address: string; port: number };
  /** PEM of the authority that signs what servers show; everybody is told by `kube-public/cluster-info`. */
  certificateAuthority?: string;
  /** See ServersDeps. */
  authorities?: () => Record<string, string>;
  /** What nodes that join are told; nothing when left out. */
  settings?: ClusterSettings;
  /** The node on this server's machine, if there is one. */
  node?: OwnNode;
}

/** Makes what is missing and never takes anything away. `kinds` are those that are served. */
export async function bootstrap(
  engine: Engine,
  kinds: readonly Kind[],
  config: BootstrapConfig,
): Promise<void> {
  for (const name of BOOTSTRAP_NAMESPACES)
    await ensure(engine, NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const priorityClass of SYSTEM_PRIORITY_CLASSES)
    await ensure(engine, PriorityClassKind, structuredClone(priorityClass));
  await Promise.all([ensureApiServices(engine, kinds), ensureFlowControl(engine)]);
  if (config.advertise) await kubernetesService(engine, config.serviceCidr, config.advertise.port);
  await dnsService(engine, config.serviceCidr);
  await clusterInfo(engine, config);
  if (config.settings)
    await put(engine, ConfigMapKind, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...CLUSTER_SETTINGS },
      data: clusterSettingsData(config.settings),
    });
}

const DNS_LABELS = {
  'k8s-app': 'kube-dns',
  'kubernetes.io/cluster-service': 'true',
  'kubernetes.io/name': 'GantryDNS',
  'service.kubernetes.io/service-proxy-name': 'gantry-dns',
};

/** The Service by which pods find the servers: the first address of the service range; servers.ts has who is behind it. */
async function kubernetesService(engine: Engine, serviceCidr: string, port: number): Promise<void> {
  const cidr = parseCidr(serviceCidr)!;
  const clusterIP = formatAddress(nthAddress(cidr, 1)!);
  await ensure(engine, ServiceKind, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...KUBERNETES, labels: LABELS },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ name: PORT_NAME, port: 443, protocol: 'TCP', targetPort: port as never }],
    },
  });
}

/**
 * Names the DNS server of the cluster, under the name and label that clients look for. Each node answers at this address
 * itself, so that no proxy may translate it.
 */
async function dnsService(engine: Engine, serviceCidr: string): Promise<void> {
  const address = nthAddress(parseCidr(serviceCidr)!, DNS_ADDRESS_INDEX);
  if (!address) return;
  const clusterIP = formatAddress(address);
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels: DNS_LABELS },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 as never },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 as never },
      ],
    },
  };
  await ensure(engine, ServiceKind, service).catch((error: unknown) => {
    // A Service of an older cluster may have the address: it keeps it, and the server must start all the same.
    if (!isStatus(error, 'Invalid')) throw error;
  });
}
