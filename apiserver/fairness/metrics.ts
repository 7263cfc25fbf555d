import { Family, quoted } from '#machinery/metrics/exposition.ts';
import type { Fairness } from './index.ts';

const PREFIX = 'apiserver_flowcontrol';

/** Under kube-apiserver's names, in the Prometheus exposition format. */
export function fairnessMetrics(fairness: Fairness): string {
  const gauge = (name: string, help: string) => new Family(`${PREFIX}_${name}`, 'gauge', help);
  const counter = (name: string, help: string) => new Family(`${PREFIX}_${name}`, 'counter', help);
  const inqueue = gauge('current_inqueue_requests', 'Requests that wait in queues.');
  const executing = gauge(
    'current_executing_requests',
    'Requests that are worked on; watches while they start.',
  );
  const seats = gauge('current_executing_seats', 'Seats that requests have taken.');
  const dispatched = counter('dispatched_requests_total', 'Requests that were let in.');
  const rejected = counter('rejected_requests_total', 'Requests that were refused, by reason.');
  const help = 'Time that requests waited in queues.';
  const waits = new Family(`${PREFIX}_request_wait_duration_seconds`, 'histogram', help);
  for (const counts of fairness.counts()) {
    const labels = `priority_level=${quoted(counts.level)},flow_schema=${quoted(counts.schema)}`;
    inqueue.value(labels, counts.waiting);
    executing.value(labels, counts.executing);
    seats.value(labels, counts.seats);
    if (counts.dispatched > 0) {
      dispatched.value(labels, counts.dispatched);
      waits.histogram(`${labels},execute="true"`, counts.waits);
    }
    if (counts.waitedInVain.count > 0) waits.histogram(`${labels},execute="false"`, counts.waitedInVain);
    for (const [reason, count] of Object.entries(counts.refused))
      if (count > 0) rejected.value(`${labels},reason="${reason}"`, count);
  }
  const nominal = gauge('nominal_limit_seats', 'Seats that a level is meant to have.');
  for (const { name, limits } of fairness.levels())
    nominal.value(`priority_level=${quoted(name)}`, limits.nominal);
  const families = [inqueue, executing, seats, dispatched, rejected, waits, nominal];
  return families.map((family) => family.text()).join('');
}
