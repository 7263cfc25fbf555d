import { type Command, InvalidArgumentError, Option } from 'commander';
import { CERTIFICATE_LIFETIME_MS } from '#machinery/pki/directory.ts';
import { parseGoDuration } from '#machinery/values/duration.ts';
import type { RotationMode } from '../certificates/authorities/automatic.ts';

/** How much the server bears at once, and how it stops. Names and meaning are those of kube-apiserver's flags. */
export interface OperationFlags {
  /** Reading and changing requests together. */
  maxRequestsInflight: number;
  /** Milliseconds. */
  shutdownDelayDuration: number;
  /** Milliseconds. */
  leaderLease: number;
  /** Of the certificates that the server makes for itself and its machine, in ms. */
  certificateLifetime: number;
  /** Whether the servers replace authorities that near their end. */
  rotateAuthorities: RotationMode;
}

export function addOperationOptions(command: Command): Command {
  const inflight = new Option(
    '--max-requests-inflight <count>',
    'requests worked on at once, shared by priority level',
  )
    .argParser(countOf)
    .default(600);
  const delay = new Option(
    '--shutdown-delay-duration <duration>',
    'how long requests are still served when stopping, while /readyz fails: 10s',
  )
    .argParser(durationOf)
    .default(0, '0s');
  const lease = new Option(
    '--leader-lease <duration>',
    'with several servers: how soon another one takes over the controllers of one that died',
  )
    .argParser(leaseOf)
    .default(12_000, '12s');
  const lifetime = new Option(
    '--certificate-lifetime <duration>',
    'how long certificates of the server are good; they are renewed after 70 to 90 % of it',
  )
    .argParser(lifetimeOf)
    .default(CERTIFICATE_LIFETIME_MS, '8760h');
  const rotate = new Option(
    '--rotate-authorities <mode>',
    'auto: the servers replace authorities when a fifth of their life is left; manual: "gantry certs rotate" does',
  )
    .choices(['auto', 'manual'])
    .default('auto');
  for (const option of [inflight, delay, lease, lifetime, rotate]) command.addOption(option);
  return command;
}

/** The flags again as arguments. */
export function operationArguments({
  maxRequestsInflight,
  shutdownDelayDuration,
  leaderLease,
  certificateLifetime,
  rotateAuthorities,
}: OperationFlags): string[][] {
  return [
    ['--max-requests-inflight', String(maxRequestsInflight)],
    ['--shutdown-delay-duration', `${shutdownDelayDuration}ms`],
    ['--leader-lease', `${leaderLease}ms`],
    ['--certificate-lifetime', `${certificateLifetime}ms`],
    ['--rotate-authorities', rotateAuthorities],
  ];
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('it is a number of at least 1.');
  return Number(text);
}

const SHORTEST_LEASE_MS = 3_000;

function leaseOf(text: string): number {
  const ms = durationOf(text);
  // It is renewed six times in that time, by a store that has to answer.
  if (ms < SHORTEST_LEASE_MS) throw new InvalidArgumentError('at least 3s.');
  return ms;
}

const SHORTEST_LIFETIME_MS = 60_000;

function lifetimeOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < SHORTEST_LIFETIME_MS)
    throw new InvalidArgumentError('write it as 8760h; at least 1m.');
  return ms;
}

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 } as const;

export function durationOf(text: string): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError('write it as 10s, 500ms or 1m.');
  return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
}
