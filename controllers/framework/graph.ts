import { resourceName } from '#api/kind.ts';
import type { AnyController } from './contract.ts';

/** Who reads and writes what, as lines for people: the flow of the roster at a glance. */
export function graph(roster: readonly AnyController[]): string {
  const names = (kinds: AnyController['reads']) => kinds.map(resourceName).join(', ') || 'nothing';
  return roster
    .map(
      (controller) =>
        `${controller.name}: for ${resourceName(controller.for)}; reads ${names(controller.reads)}; writes ${names(controller.writes)}\n`,
    )
    .join('');
}
