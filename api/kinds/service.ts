import { defaultService, prepareServiceForCreate, prepareServiceForUpdate } from '../defaults/service.ts';
import type { Column, Kind } from '../kind.ts';
import type { Service } from '../objects.ts';
import { serviceAllocations } from '../semantics/services.ts';
import { checkServiceStatus } from '../validation/load-balancer.ts';
import { isDns1035Label } from '../validation/names.ts';
import { checkService, checkServiceUpdate } from '../validation/service.ts';
import { serviceStatusWarnings, serviceWarnings } from '../warnings/network.ts';
import { ageColumn, column, labelsText, nameColumn, orNone, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A stable address in front of the pods that a selector picks. */
export const ServiceKind: Kind<Service> = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Service',
  subresources: {
    status: true,
    others: [
      { name: 'proxy', kind: 'ServiceProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
    ],
  },
  strategy: strategyOf<Service>({
    namespaced: true,
    name: isDns1035Label,
    defaults: defaultService,
    prepareForCreate: prepareServiceForCreate,
    prepareForUpdate: prepareServiceForUpdate,
    check: checkService,
    checkUpdate: checkServiceUpdate,
    checkStatus: (service, _old, faults) => checkServiceStatus(service, faults),
    allocations: serviceAllocations,
    warnings: serviceWarnings,
    statusWarnings: serviceStatusWarnings,
  }),
  columns: serviceColumns(),
  selectableFields: {
    'spec.clusterIP': (service) => service.spec?.clusterIP ?? '',
    'spec.type': (service) => service.spec?.type ?? '',
  },
};

function serviceColumns(): Column<Service>[] {
  return [
    nameColumn,
    column('Type', 'string', 'How the service is reached.', (service) => service.spec?.type ?? ''),
    column('Cluster-IP', 'string', 'The virtual address inside the cluster.', (service) =>
      orNone(service.spec?.clusterIPs?.[0] ?? service.spec?.clusterIP),
    ),
    column('External-IP', 'string', 'Addresses from outside the cluster.', externalAddresses),
    column('Port(s)', 'string', 'Ports, with the node port behind a colon.', portsText),
    ageColumn,
    wideColumn('Selector', 'string', 'Labels of the pods behind the service.', (service) =>
      labelsText(service.spec?.selector),
    ),
  ];
}

function externalAddresses(service: Service): string {
  const given = service.spec?.externalIPs ?? [];
  switch (service.spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return orNone(given.join(','));
    case 'LoadBalancer': {
      const ingress = service.status?.loadBalancer?.ingress ?? [];
      const assigned = ingress.map((point) => point.ip || point.hostname || '').filter(Boolean);
      return [...assigned, ...given].join(',') || '<pending>';
    }
    case 'ExternalName':
      return service.spec.externalName ?? '';
    default:
      return '<unknown>';
  }
}

function portsText(service: Service): string {
  const ports = (service.spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return orNone(ports.join(','));
}
