import { Command } from 'commander';
import { expect, test } from 'vitest';
import {
  addResourceOptions,
  evictionSettings,
  type ResourceFlags,
  resourceArguments,
} from './resource-options.ts';

const parse = (args: string[]) =>
  addResourceOptions(new Command().exitOverride().configureOutput({ writeErr() {} }))
    .parse(args, { from: 'user' })
    .opts<ResourceFlags>();

test.each([
  [[]],
  [['--system-reserved', 'cpu=250m,memory=1Gi', '--kube-reserved', 'pid=100']],
  [
    [
      '--eviction-hard',
      'memory.available<5%,pid.available<0',
      '--eviction-minimum-reclaim',
      'memory.available=1Gi',
    ],
  ],
  [['--eviction-pressure-transition-period', '90s']],
  [['--eviction-soft', 'memory.available<10%', '--eviction-soft-grace-period', 'memory.available=1m30s']],
  [['--eviction-max-pod-grace-period', '0s']],
])('what is told to a role is what was told to its supervisor: %j', (args) => {
  const flags = parse(args);
  expect(parse(resourceArguments(flags).flat())).toEqual(flags);
});

test.each([
  [['--system-reserved', 'memory=-1Gi'], 'memory must not be negative.'],
  [['--kube-reserved', 'gpu=1'], '"gpu" is none of cpu, memory, ephemeral-storage, pid.'],
  [['--eviction-hard', 'memory.available>1Gi'], 'is none of memory.available,'],
  [['--eviction-soft-grace-period', 'memory.available=-1s'], 'write it as memory.available=1m30s.'],
  [['--eviction-pressure-transition-period', 'soon'], 'write it as 30s, 5m or 0s.'],
])('what is wrong is refused with a reason: %j', (args, why) => {
  expect(() => parse(args)).toThrow(why);
});

test.each([
  [
    'a soft threshold without a period',
    ['--eviction-soft', 'pid.available<20%'],
    'grace period must be specified',
  ],
  [
    'a period without its threshold',
    ['--eviction-soft-grace-period', 'pid.available=1m'],
    'there is no soft',
  ],
])('%s is refused', (_, args, why) => {
  expect(() => evictionSettings(parse(args))).toThrow(why);
});
