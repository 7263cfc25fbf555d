import { canonicalQuantities } from '../defaults/quantities.ts';
import type { Kind } from '../kind.ts';
import type { RuntimeClass } from '../objects.ts';
import type { Faults } from '../validation/faults.ts';
import { dnsLabelFaults, isDnsSubdomain } from '../validation/names.ts';
import { checkLabels } from '../validation/object-meta.ts';
import { checkResources } from '../validation/resources.ts';
import { checkTolerations } from '../validation/scheduling.ts';
import { runtimeClassWarnings } from '../warnings/volumes.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A way to run pods: what it costs, and on which nodes it can be had. */
export const RuntimeClassKind: Kind<RuntimeClass> = {
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  singular: 'runtimeclass',
  namespaced: false,
  schema: 'io.k8s.api.node.v1.RuntimeClass',
  strategy: strategyOf<RuntimeClass>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults: (runtimeClass) => canonicalQuantities(runtimeClass.overhead?.podFixed),
    check: checkRuntimeClass,
    checkUpdate(runtimeClass, old, faults) {
      faults.immutable('handler', runtimeClass.handler, old.handler);
    },
    warnings: runtimeClassWarnings,
  }),
  columns: [
    nameColumn,
    column('Handler', 'string', 'How nodes know it.', (runtimeClass) => runtimeClass.handler ?? ''),
    ageColumn,
  ],
};

/** Source: Kubernetes API reference, RuntimeClass. */
function checkRuntimeClass({ handler, overhead, scheduling }: RuntimeClass, faults: Faults): void {
  faults.invalidFor('handler', handler ?? '', dnsLabelFaults(handler ?? ''));
  // Kubernetes judges the overhead as the limits of a container, and names it so.
  if (overhead) checkResources({ limits: overhead.podFixed }, 'overhead', faults);
  checkLabels(scheduling?.nodeSelector, 'scheduling.nodeSelector', faults);
  checkTolerations(scheduling?.tolerations, 'scheduling.tolerations', faults);
}
