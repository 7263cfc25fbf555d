import type { Kind } from '../kind.ts';
import type { PriorityLevelConfiguration } from '../objects.ts';
import { checkFlowConditions, checkPriorityLevel } from '../validation/flow-control.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

type Spec = NonNullable<PriorityLevelConfiguration['spec']>;

/** How many requests of a sort are served at a time, and what becomes of the others. */
export const PriorityLevelConfigurationKind: Kind<PriorityLevelConfiguration> = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  singular: 'prioritylevelconfiguration',
  namespaced: false,
  schema: 'io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration',
  subresources: { status: true },
  strategy: strategyOf<PriorityLevelConfiguration>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(level) {
      level.spec ??= { type: '' };
      defaultSpec(level.spec);
    },
    prepareForCreate(level) {
      level.status = {};
    },
    check: checkPriorityLevel,
    checkStatus: (level, _old, faults) => checkFlowConditions(level, faults),
  }),
  columns: [
    nameColumn,
    column('Type', 'string', 'Whether requests are limited.', (level) => level.spec?.type ?? ''),
    column('NominalConcurrencyShares', 'string', 'Its share of the requests served at a time.', (level) =>
      orNoneNumber(level.spec?.limited?.nominalConcurrencyShares),
    ),
    column('Queues', 'string', 'In how many queues requests wait.', (level) =>
      orNoneNumber(queuingOf(level)?.queues),
    ),
    column('HandSize', 'string', 'From how many queues a flow has one chosen.', (level) =>
      orNoneNumber(queuingOf(level)?.handSize),
    ),
    column('QueueLengthLimit', 'string', 'How many requests wait in a queue.', (level) =>
      orNoneNumber(queuingOf(level)?.queueLengthLimit),
    ),
    ageColumn,
  ],
};

function defaultSpec({ exempt, limited }: Spec): void {
  if (exempt) {
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  if (!limited) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

function queuingOf({ spec }: PriorityLevelConfiguration) {
  return spec?.limited?.limitResponse?.queuing;
}

function orNoneNumber(value: number | undefined): number | string {
  return value ?? '<none>';
}
