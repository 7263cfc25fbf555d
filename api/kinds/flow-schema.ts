import type { Kind } from '../kind.ts';
import type { FlowSchema } from '../objects.ts';
import { checkFlowConditions, checkFlowSchema } from '../validation/flow-control.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn, orNone } from './columns.ts';
import { strategyOf } from './strategy.ts';

const DEFAULT_PRECEDENCE = 1000;

/** Which requests belong together, and to which priority level. */
export const FlowSchemaKind: Kind<FlowSchema> = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  singular: 'flowschema',
  namespaced: false,
  schema: 'io.k8s.api.flowcontrol.v1.FlowSchema',
  subresources: { status: true },
  strategy: strategyOf<FlowSchema>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(schema) {
      schema.spec ??= { priorityLevelConfiguration: { name: '' } };
      schema.spec.matchingPrecedence ||= DEFAULT_PRECEDENCE;
    },
    prepareForCreate(schema) {
      schema.status = {};
    },
    check: checkFlowSchema,
    checkStatus: (schema, _old, faults) => checkFlowConditions(schema, faults),
  }),
  columns: [
    nameColumn,
    column(
      'PriorityLevel',
      'string',
      'The priority level of its requests.',
      (schema) => schema.spec?.priorityLevelConfiguration?.name ?? '',
    ),
    column('MatchingPrecedence', 'string', 'The lower, the sooner it is tried.', precedenceOf),
    column('DistinguisherMethod', 'string', 'What tells its flows apart.', (schema) =>
      orNone(schema.spec?.distinguisherMethod?.type),
    ),
    ageColumn,
    column('MissingPL', 'string', 'Whether there is no such priority level.', (schema) => {
      const dangling = (schema.status?.conditions ?? []).find(({ type }) => type === 'Dangling');
      return dangling?.status ?? '?';
    }),
  ],
  rowOrder: (a, b) => precedenceOf(a) - precedenceOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1),
};

function precedenceOf({ spec }: FlowSchema): number {
  return spec?.matchingPrecedence ?? 0;
}
