import { Family, quoted } from '#machinery/metrics/exposition.ts';
import type { RotationStatus } from './plan.ts';

/** How the authorities are, in the Prometheus exposition format. */
export function rotationMetrics(authorities: readonly RotationStatus[]): string {
  const end = new Family(
    'gantry_authority_expiration_timestamp_seconds',
    'gauge',
    'When the authority ends that signs now.',
  );
  const phase = new Family(
    'gantry_authority_rotation_phase',
    'gauge',
    'Which phase the rotation of an authority is in: stable, trust or issue.',
  );
  const due = new Family(
    'gantry_authority_next_step_timestamp_seconds',
    'gauge',
    'When the next step of its rotation is due.',
  );
  const waits = new Family(
    'gantry_authority_waits_for',
    'gauge',
    'How many servers, nodes and namespaces have not followed the last step.',
  );
  for (const {
    name,
    authorities: [first],
    next,
    waitsFor,
    phase: now,
  } of authorities) {
    const label = `authority=${quoted(name)}`;
    end.value(label, Date.parse(first!.until) / 1000);
    phase.value(`${label},phase=${quoted(now)}`, 1);
    due.value(label, Date.parse(next.at) / 1000);
    waits.value(label, waitsFor.servers.length + waitsFor.nodes.length + waitsFor.namespaces.length);
  }
  return [end, phase, due, waits].map((family) => family.text()).join('');
}
