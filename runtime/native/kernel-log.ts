import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { type Clock, every } from '#machinery/clock.ts';
import type { RuntimeEvent } from '../contract.ts';

/** Who was killed for want of memory, as the kernel's log tells it: a group only counts. */

/** `oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/a/b,task=dd,pid=7,uid=0`, since Linux 4.19. */
const OOM = /^oom-kill:constraint=(\w+),.*,task_memcg=(.*),task=(.*),pid=(\d+),uid=\d+$/;
const OF_THE_NODE = 'CONSTRAINT_NONE';

type OomEvent = Extract<RuntimeEvent, { type: 'oom' }>;

/** The event that a line of the kernel's log stands for. `root`: of all groups of this instance. Pure. */
export function parseOom(line: string, root: string): OomEvent | undefined {
  const [, constraint, group, process, pid] = OOM.exec(line) ?? [];
  if (group === undefined) return undefined;
  const wholeNode = constraint === OF_THE_NODE;
  const about = { type: 'oom', process: process!, pid: Number(pid), wholeNode } as const;
  const [, sandbox, container] = /\/pod([a-z0-9-]+)\/([^/]+)(?:\/.*)?$/.exec(group) ?? [];
  const isOurs = `${group}/`.includes(`/${root}/`) && sandbox !== undefined && container !== undefined;
  if (isOurs) return { ...about, sandbox, container };
  return wholeNode ? about : undefined;
}

const LOG = '/dev/kmsg';
/** Only events wait for it: a look every second was a quarter of what an agent at rest took of a CPU. */
const POLL_MS = 5_000;
/** A log that is flooded is read this far at a time; what the kernel has overwritten by then is lost. */
const RECORDS_AT_ONCE = 1_000;
/** The longest record. Source: kernel, CONSOLE_EXT_LOG_MAX. */
const RECORD_BYTES = 8192;

/**
 * Looks for what is killed from now on. Where the log cannot be read (no CAP_SYSLOG) nobody is told by name; stats count
 * all the same. Records are read without waiting: they are few, and each read gives one.
 */
export function watchOom(
  clock: Clock,
  signal: AbortSignal,
  root: string,
  tell: (event: RuntimeEvent) => void,
): void {
  let log: number;
  let sinceUs: number;
  try {
    log = openSync(LOG, constants.O_RDONLY | constants.O_NONBLOCK);
    sinceUs = Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1e6;
  } catch {
    return;
  }
  signal.addEventListener('abort', () => closeSync(log), { once: true });
  const buffer = Buffer.alloc(RECORD_BYTES);
  every(clock, POLL_MS, signal, async () => {
    for (let count = 0; count < RECORDS_AT_ONCE; ) {
      const record = nextRecord(log, buffer);
      if (record === undefined) return;
      // `<level>,<sequence>,<microseconds>,<flags>;<text>`
      const [head = '', text = ''] = record.split(/;(.*)/s);
      // What is from before is as much as the kernel keeps, and passed over at once: Node cannot seek.
      if (Number(head.split(',')[2]) < sinceUs) continue;
      count++;
      const event = parseOom(text.split('\n')[0]!, root);
      if (event) tell(event);
    }
  });
}

/** Undefined when there is no more. */
function nextRecord(log: number, buffer: Buffer): string | undefined {
  try {
    return buffer.toString('utf8', 0, readSync(log, buffer));
  } catch (error) {
    // EPIPE: records were overwritten before they were read; the next one is there.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return '';
    return undefined;
  }
}
