import { expect, test } from 'vitest';
import { parseOom } from './kernel-log.ts';

const line = (group: string, task = 'dd', constraint = 'CONSTRAINT_MEMCG') =>
  `oom-kill:constraint=${constraint},nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${group},task_memcg=${group},task=${task},pid=77,uid=0`;
const OURS = '/gantry-abc/kubepods/burstable/poduid-1/main.0';

test.each([
  ['a container of ours', line(OURS), { sandbox: 'uid-1', container: 'main.0', wholeNode: false }],
  ['a group below it', line(`${OURS}/own/deep`), { sandbox: 'uid-1', container: 'main.0' }],
  ['a machine that is a container itself', line(`/outer${OURS}`), { sandbox: 'uid-1' }],
  ['a name with a comma', line(OURS, 'a,pid=1,uid=0'), { process: 'a,pid=1,uid=0', pid: 77 }],
  ['another instance', line(OURS.replace('abc', 'abcd')), undefined],
  ['a limit of somebody else', line('/system.slice/x.service'), undefined],
  ['the whole node', line('/system.slice/x', 'big', 'CONSTRAINT_NONE'), { process: 'big', wholeNode: true }],
  ['the whole node, by us', line(OURS, 'big', 'CONSTRAINT_NONE'), { sandbox: 'uid-1', wholeNode: true }],
  ['something else', 'oom_reaper: reaped process 77 (dd)', undefined],
])('%s', (_, text, expected) => {
  const event = parseOom(text, 'gantry-abc');
  if (expected) expect(event).toMatchObject(expected);
  else expect(event).toBeUndefined();
});
