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

/** The same for Graphviz: resource → controller for reads, controller → resource for writes. */
export function dotGraph(roster: readonly AnyController[]): string {
  const lines: string[] = [];
  for (const controller of roster) {
    lines.push(`  "${controller.name}" [shape=box];`);
    for (const kind of [controller.for, ...controller.reads])
      lines.push(`  "${resourceName(kind)}" -> "${controller.name}";`);
    for (const kind of controller.writes) lines.push(`  "${controller.name}" -> "${resourceName(kind)}";`);
  }
  return `digraph controllers {\n${lines.join('\n')}\n}\n`;
}
