/**
 * What /debug/api_priority_and_fairness shows, in kube-apiserver's columns. Source: Kubernetes, "API Priority and
 * Fairness", debug endpoints.
 */
import type { Clock } from '#machinery/clock.ts';
import type { Fairness } from './index.ts';
import type { Ticket } from './ticket.ts';

export function dumpPriorityLevels(fairness: Fairness): string {
  const rows = fairness.levels().map((level) => {
    const active = level.queues().filter(({ tickets }) => tickets.length > 0).length;
    const isIdle = level.running.size === 0 && level.waiting === 0;
    if (level.limits.exempt) return [level.name, ...Array(4).fill('<none>'), level.running.size];
    return [level.name, active, isIdle, level.quiescing, level.waiting, level.running.size];
  });
  return table(
    ['PriorityLevelName', 'ActiveQueues', 'IsIdle', 'IsQuiescing', 'WaitingRequests', 'ExecutingRequests'],
    rows,
  );
}

/** Those queues that there are now: a flow has one while somebody waits in it, and as long as it is ahead of the others. */
export function dumpQueues(fairness: Fairness): string {
  const rows = fairness.levels().flatMap((level) =>
    level.queues().map(({ tickets, given }, index) => {
      const seats = tickets.reduce((sum, ticket) => sum + ticket.seats, 0);
      return [level.name, index, tickets.length, given, seats];
    }),
  );
  return table(['PriorityLevelName', 'Index', 'PendingRequests', 'NextDispatchR', 'InitialSeatsSum'], rows);
}

/** Requests that wait, and with queue -1 those that run; `details` tells what they are about. */
export function dumpRequests(fairness: Fairness, clock: Clock, details: boolean): string {
  const started = clock.now() - clock.monotonic();
  const row = (ticket: Ticket, queue: number, index: number) => {
    const { level, schema, flow, arrivedMs, seats, context } = ticket;
    const arrived = arrivedMs > 0 ? new Date(started + arrivedMs).toISOString() : '<none>';
    const distinguisher = flow.slice(flow.indexOf('/') + 1);
    const basic = [level.name, schema.name, queue, index, distinguisher, arrived, seats];
    if (!details) return basic;
    const { verb, path, namespace, name, group, version, resource, subresource } = context.info;
    const apiVersion = group ? `${group}/${version}` : version;
    return [...basic, context.identity.name, verb, path, namespace, name, apiVersion, resource, subresource];
  };
  const rows = fairness
    .levels()
    .flatMap((level) => [
      ...level.queues().flatMap(({ tickets }, queue) => tickets.map((ticket, at) => row(ticket, queue, at))),
      ...[...level.running].map((ticket) => row(ticket, -1, -1)),
    ]);
  const columns = [
    'PriorityLevelName',
    'FlowSchemaName',
    'QueueIndex',
    'RequestIndexInQueue',
    'FlowDistingsher',
    'ArriveTime',
    'InitialSeats',
  ];
  const more = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];
  return table(details ? [...columns, ...more] : columns, rows);
}

function table(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [columns, ...rows].map((row) => row.map(String));
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)) + 1);
  const padded = lines.map((line) =>
    line.map((cell, at) => (at < line.length - 1 ? `${cell},`.padEnd(widths[at]! + 1) : cell)).join(''),
  );
  return `${padded.join('\n')}\n`;
}
