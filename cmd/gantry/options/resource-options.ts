import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatGoDuration, parseGoDuration } from '#machinery/values/duration.ts';
import {
  amountsText,
  DEFAULT_EVICTION,
  type EvictionSettings,
  parseGracePeriods,
  parseReclaims,
  parseSoftThresholds,
  parseThresholds,
  periodsText,
  softThresholds,
} from '#node-agent/eviction/thresholds.ts';
import { parseReserved, type Reserved, reservedText } from '#node-agent/registration/reservation.ts';
import { SKEW_TOLERANCE_MS } from '#node-agent/registration/server-clock.ts';

/**
 * What a node keeps back from its pods, when it gets rid of some, and what its clock may do. Names and meaning are those of the kubelet's
 * flags where it has them.
 */
export interface ResourceFlags {
  systemReserved: Reserved;
  kubeReserved: Reserved;
  evictionHard: EvictionSettings['hard'];
  evictionMinimumReclaim: EvictionSettings['minimumReclaim'];
  evictionSoft: ReturnType<typeof parseSoftThresholds>;
  evictionSoftGracePeriod: ReturnType<typeof parseGracePeriods>;
  /** Milliseconds. */
  evictionMaxPodGracePeriod?: number;
  /** Milliseconds. */
  evictionPressureTransitionPeriod: number;
  /** Milliseconds. */
  clockSkewTolerance: number;
}

export function addResourceOptions(command: Command): Command {
  const reserved = (flag: string, whose: string) =>
    new Option(
      `${flag} <resources>`,
      `kept back for ${whose}: cpu=500m,memory=1Gi,ephemeral-storage=5Gi,pid=1000`,
    )
      .argParser(textOf(parseReserved))
      .default({}, 'nothing');
  const hard = new Option(
    '--eviction-hard <thresholds>',
    'below these, pods are evicted; those not named stay as they are',
  )
    .argParser(textOf(parseThresholds))
    .default(DEFAULT_EVICTION.hard, amountsText(DEFAULT_EVICTION.hard, '<').replace('104857600', '100Mi'));
  const soft = new Option(
    '--eviction-soft <thresholds>',
    'below these for their grace period, pods are evicted with time to end: memory.available<300Mi',
  )
    .argParser(textOf(parseSoftThresholds))
    .default({}, 'none');
  const softPeriods = new Option(
    '--eviction-soft-grace-period <periods>',
    'how long each of those must be met first: memory.available=1m30s',
  )
    .argParser(textOf(parseGracePeriods))
    .default({}, 'none');
  const maxPodGrace = new Option(
    '--eviction-max-pod-grace-period <duration>',
    'the most that a pod has to end then (default: what it asks for itself)',
  ).argParser(durationOf);
  const reclaim = new Option(
    '--eviction-minimum-reclaim <amounts>',
    'how much more has to be free then: memory.available=500Mi',
  )
    .argParser(textOf(parseReclaims))
    .default({}, 'nothing');
  const transition = new Option(
    '--eviction-pressure-transition-period <duration>',
    'how long a node is said to be short of something after it was last',
  )
    .argParser(durationOf)
    .default(DEFAULT_EVICTION.transitionMs, '5m');
  const clock = new Option(
    '--clock-skew-tolerance <duration>',
    "by how much the node's clock may differ from the server's before that is told",
  )
    .argParser(durationOf)
    .default(SKEW_TOLERANCE_MS, '5s');
  return command
    .addOption(clock)
    .addOption(reserved('--system-reserved', 'the machine'))
    .addOption(reserved('--kube-reserved', 'the agent and the runtime'))
    .addOption(hard)
    .addOption(soft)
    .addOption(softPeriods)
    .addOption(maxPodGrace)
    .addOption(reclaim)
    .addOption(transition);
}

/** The flags again as arguments. */
export function resourceArguments(flags: ResourceFlags): string[][] {
  return [
    ['--system-reserved', reservedText(flags.systemReserved)],
    ['--kube-reserved', reservedText(flags.kubeReserved)],
    ['--eviction-hard', amountsText(flags.evictionHard, '<')],
    ['--eviction-soft', amountsText(flags.evictionSoft, '<')],
    ['--eviction-soft-grace-period', periodsText(flags.evictionSoftGracePeriod)],
    ...(flags.evictionMaxPodGracePeriod === undefined
      ? []
      : [['--eviction-max-pod-grace-period', formatGoDuration(flags.evictionMaxPodGracePeriod)]]),
    ['--eviction-minimum-reclaim', amountsText(flags.evictionMinimumReclaim, '=')],
    ['--clock-skew-tolerance', formatGoDuration(flags.clockSkewTolerance)],
    ['--eviction-pressure-transition-period', formatGoDuration(flags.evictionPressureTransitionPeriod)],
  ];
}

/** Throws RangeError when a soft threshold has no grace period, or the other way round. */
export function evictionSettings(flags: ResourceFlags): EvictionSettings {
  return {
    hard: flags.evictionHard,
    soft: softThresholds(flags.evictionSoft, flags.evictionSoftGracePeriod),
    maxPodGraceMs: flags.evictionMaxPodGracePeriod,
    minimumReclaim: flags.evictionMinimumReclaim,
    transitionMs: flags.evictionPressureTransitionPeriod,
  };
}

function textOf<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof RangeError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

function durationOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('write it as 30s, 5m or 0s.');
  return ms;
}
