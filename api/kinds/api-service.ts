import type { Kind, Write } from '../kind.ts';
import type { APIService } from '../objects.ts';
import { checkApiService, checkApiServiceStatus } from '../validation/api-registration.ts';
import { isPathSegment } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

const HTTPS_PORT = 443;

/** A version of an API group, and which server serves it. */
export const APIServiceKind: Kind<APIService> = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  singular: 'apiservice',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService',
  subresources: { status: true },
  strategy: strategyOf<APIService>({
    namespaced: false,
    name: isPathSegment,
    anyFinalizer: true,
    defaults({ spec }) {
      if (spec?.service) spec.service.port ??= HTTPS_PORT;
    },
    prepareForCreate(service, write) {
      service.status = {};
      // Nobody needs to look for what this server serves itself.
      if (!service.spec?.service) service.status.conditions = [localCondition(write)];
    },
    prepareForStatus(service, old) {
      const { labels, annotations, finalizers } = old.metadata;
      Object.assign(service.metadata, { labels, annotations, finalizers });
    },
    check: checkApiService,
    checkStatus: (service, _old, faults) => checkApiServiceStatus(service, faults),
  }),
  columns: [
    nameColumn,
    column('Service', 'string', 'Where it is served.', ({ spec }) =>
      spec?.service ? `${spec.service.namespace ?? ''}/${spec.service.name ?? ''}` : 'Local',
    ),
    column('Available', 'string', 'Whether it is served now.', availableText),
    ageColumn,
  ],
};

function localCondition(write: Write | undefined) {
  return {
    type: 'Available',
    status: 'True',
    reason: 'Local',
    message: 'Local APIServices are always available',
    ...(write && { lastTransitionTime: write.now }),
  };
}

function availableText({ status }: APIService): string {
  const available = (status?.conditions ?? []).find(({ type }) => type === 'Available');
  if (!available) return 'Unknown';
  if (available.status === 'True' || !available.reason) return available.status;
  return `${available.status} (${available.reason})`;
}
