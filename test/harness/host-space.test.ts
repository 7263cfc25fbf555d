import { expect, test } from 'vitest';
import { parseMountInfo } from '#runtime/native/mountinfo.ts';
import { hierarchiesOf } from './host-space.ts';

const table = (...lines: [string, string, string][]) =>
  parseMountInfo(
    lines.map(([target, type, options]) => `1 2 0:3 / ${target} rw - ${type} none ${options}`).join('\n'),
  );

test('of version 1 each hierarchy is named by its controllers, and the flags are left out', () => {
  const mounts = table(
    ['/', 'ext4', 'rw'],
    ['/c/memory', 'cgroup', 'rw,memory'],
    ['/c/cpu', 'cgroup', 'rw,xattr,clone_children,cpu,cpuacct'],
    ['/c/systemd', 'cgroup', 'rw,release_agent=/lib/agent,name=systemd'],
    ['/c/unified', 'cgroup2', 'rw,nsdelegate'],
  );
  expect(hierarchiesOf(mounts)).toEqual([
    { target: '/c/memory', type: 'cgroup', options: 'memory', isWhole: false },
    { target: '/c/cpu', type: 'cgroup', options: 'cpu,cpuacct', isWhole: false },
    { target: '/c/systemd', type: 'cgroup', options: 'name=systemd', isWhole: false },
    { target: '/c/unified', type: 'cgroup2', options: '', isWhole: false },
  ]);
});

test('version 2 alone is whole; a place that was mounted over counts once', () => {
  const mounts = table(['/c', 'cgroup2', 'rw,nsdelegate'], ['/c', 'cgroup2', 'rw']);
  expect(hierarchiesOf(mounts)).toEqual([{ target: '/c', type: 'cgroup2', options: '', isWhole: true }]);
});
