/** All controllers of a roster as one Component: shared informers, one executor, a bounded memory of what was done. */
import type { Kind } from '#api/kind.ts';
import type { Client } from '#client/contract.ts';
import { type EventRecorder, eventRecorder } from '#client/events.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Component, Health, Running } from '#machinery/component.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { Family, labelText } from '#machinery/metrics/exposition.ts';
import { QueueCounts, queueMetrics } from '#machinery/metrics/queue.ts';
import type { Random } from '#machinery/random.ts';
import type { AnyController } from './contract.ts';
import { type Deed, executor } from './executor.ts';
import { Informers } from './informers.ts';
import { type Runner, runController } from './runner.ts';

export interface ControllersDeps {
  /** The connection of a controller, by its name, so that servers know who writes. */
  clientFor(controller: string): Client;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Makes a plan that changes a shared object throw. For tests. */
  freeze?: boolean;
}

export interface RunningControllers extends Running {
  /** The last actions that were tried, oldest first. */
  deeds(): readonly Deed[];
}

/** Deeds kept: enough to explain the last minutes, little enough to forget about. */
const DEEDS = 2000;

export function controllersComponent(roster: readonly AnyController[]): Component<ControllersDeps> & {
  start(deps: ControllersDeps, signal: AbortSignal): Promise<RunningControllers>;
} {
  return { name: 'controllers', start: async (deps, signal) => startAll(roster, deps, signal) };
}

function startAll(
  roster: readonly AnyController[],
  deps: ControllersDeps,
  signal: AbortSignal,
): RunningControllers {
  const { clock, random, log } = deps;
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  const deeds: Deed[] = [];
  const runners: Runner[] = [];
  const queues = new Map(roster.map(({ name }) => [name, new QueueCounts(clock)]));
  const recorders: EventRecorder[] = [];
  let health: Health = { ok: false, message: 'the first lists are not complete' };
  const informers = new Informers(readersOf(roster), {
    client: deps.clientFor('controllers'),
    clock,
    random,
    signal: ended,
    freeze: deps.freeze,
    onError: (error) => log.warn('a watch broke', { error: messageOf(error) }),
  });
  const record = (deed: Deed) => {
    deeds.push(deed);
    if (deeds.length > DEEDS) deeds.splice(0, DEEDS / 2);
    log.debug(deed.do, { controller: deed.controller, what: deed.what, why: deed.why.message });
  };
  const ready = informers.synced().then(() => {
    for (const controller of ended.aborted ? [] : roster) {
      const client = deps.clientFor(controller.name);
      const events = eventRecorder({ client, clock, component: controller.name, signal: ended });
      recorders.push(events);
      const performer = executor(client, events);
      runners.push(
        runController(controller, {
          informers,
          executor: performer,
          clock,
          random,
          log,
          signal: ended,
          counts: queues.get(controller.name)!,
          record,
        }),
      );
    }
    health = { ok: true };
  });
  const stop = async () => {
    const stopping = runners.map((runner) => runner.stop());
    await Promise.all(recorders.map((events) => events.flush()));
    // Plans under way are finished; waits for caches are not.
    over.abort();
    await Promise.all(stopping);
  };
  const metrics = () => queueMetrics(queues) + gauges(health.ok ? roster : [], informers);
  return { ready, health: () => health, metrics, stop, deeds: () => deeds };
}

function gauges(roster: readonly AnyController[], informers: Informers): string {
  const all = roster.flatMap((controller) => controller.gauges?.(informers) ?? []);
  return all
    .map(({ name, help, values }) => {
      const family = new Family(name, 'gauge', help);
      for (const { labels = {}, value } of values) family.value(labelText(labels), value);
      return family.text();
    })
    .join('');
}

/** Who reads each kind. */
function readersOf(roster: readonly AnyController[]): Map<Kind, AnyController[]> {
  const readers = new Map<Kind, AnyController[]>();
  for (const controller of roster)
    for (const kind of new Set([controller.for, ...controller.reads]))
      readers.set(kind, [...(readers.get(kind) ?? []), controller]);
  return readers;
}
