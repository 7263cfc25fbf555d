import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { endLeftRoles, leftRoles, pidFileOf, runningPid } from './processes.ts';
import { EXIT_ANEW, EXIT_FINAL, type Role, supervise } from './supervise.ts';

/** With real processes: what is tested is what the kernel tells of them. */

let directory: string;
let lines: LogLine[];
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-supervise-'));
  lines = [];
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** Node running a line of script; the words after it are only there to be seen in the command line. */
const node = (script: string, ...words: string[]): [string, ...string[]] => [
  process.execPath,
  '-e',
  script,
  ...words,
];

const role = (name: string, script: string): Role => ({ name, command: node(script) });

async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what}: not within 5 s`);
}

describe('the supervisor', () => {
  const mark = (text: string) =>
    `fs.appendFileSync(${JSON.stringify(join(directory, 'marks'))}, ${JSON.stringify(text)});`;
  const marks = () => {
    try {
      return readFileSync(join(directory, 'marks'), 'utf8');
    } catch {
      return '';
    }
  };
  const start = (roles: Role[]) => {
    const stop = new AbortController();
    const done = supervise(roles, { clock: systemClock, log: memoryLogger(lines), signal: stop.signal });
    return { stop, done };
  };

  test('starts again what dies, and stops all in the reverse order', async () => {
    const runs = (name: string) =>
      `${mark(name)} process.on('SIGTERM', () => { ${mark(name.toUpperCase())} process.exit(0); }); setInterval(() => {}, 1000);`;
    const dies = `${mark('x')} process.exit(3);`;
    const { stop, done } = start([role('a', runs('a')), role('b', runs('b')), role('x', dies)]);
    await eventually('the dying role is started twice', () => (marks().match(/x/g) ?? []).length >= 2);
    await eventually('both run', () => marks().includes('a') && marks().includes('b'));
    stop.abort();
    expect(await done).toBe(0);
    expect(marks().replace(/x|a|b/g, '')).toBe('BA');
    expect(lines[0]).toMatchObject({ level: 'warn', fields: { role: 'x', code: 3 } });
  });

  test('ends when a role says that it can never run', async () => {
    const { done } = start([
      role('a', 'setInterval(() => {}, 1000)'),
      role('x', `process.exit(${EXIT_FINAL})`),
    ]);
    expect(await done).toBe(EXIT_FINAL);
  });

  test('ends when a role says that others are needed, once all have stopped', async () => {
    const stops = `${mark('a')} process.on('SIGTERM', () => { ${mark('A')} process.exit(0); }); setInterval(() => {}, 1000);`;
    const after = { before: () => eventually('the first role runs', () => marks() === 'a') };
    const { done } = start([role('a', stops), { ...role('x', `process.exit(${EXIT_ANEW})`), ...after }]);
    expect(await done).toBe(EXIT_ANEW);
    expect(marks()).toBe('aA');
  });

  test('ends when a role that nobody stopped exits as only one does that is out', async () => {
    const final = { codes: [0], why: 'it was removed' };
    const { done } = start([{ ...role('x', ''), final }]);
    expect(await done).toBe(EXIT_FINAL);
    expect(lines).toMatchObject([{ level: 'error', fields: { role: 'x', why: 'it was removed' } }]);
  });

  test('what is to be done before a role is done while those before it run', async () => {
    const runs = `${mark('a')} process.on('SIGTERM', () => { ${mark('A')} process.exit(0); }); setInterval(() => {}, 1000);`;
    const before = () => eventually('the first role runs', () => marks() === 'a');
    const { stop, done } = start([
      role('a', runs),
      { ...role('b', `${mark('b')} setInterval(() => {}, 1000);`), before },
    ]);
    await eventually('the second role runs', () => marks() === 'ab');
    stop.abort();
    expect(await done).toBe(0);
  });

  test('all end when that fails, and its error is told', async () => {
    const runs = `${mark('a')} process.on('SIGTERM', () => { ${mark('A')} process.exit(0); }); setInterval(() => {}, 1000);`;
    const before = async () => {
      await eventually('the first role runs', () => marks() === 'a');
      throw new Error('it cannot be');
    };
    const { done } = start([role('a', runs), { ...role('b', mark('b')), before }]);
    await expect(done).rejects.toThrow('it cannot be');
    expect(marks()).toBe('aA');
  });

  test('a role sees the end of its supervisor, however that ends', async () => {
    const program = join(import.meta.dirname, 'supervise.ts');
    const clock = join(import.meta.dirname, '../../../machinery/clock.ts');
    const log = join(import.meta.dirname, '../../../machinery/log.ts');
    const sees = `${mark('up')} process.stdin.on('end', () => { ${mark(' alone')} process.exit(0); }).resume(); setInterval(() => {}, 1000);`;
    const script = `
      const { supervise } = await import(${JSON.stringify(program)});
      const { systemClock } = await import(${JSON.stringify(clock)});
      const { silentLogger } = await import(${JSON.stringify(log)});
      setInterval(() => {}, 1000);
      await supervise([{ name: 'a', command: [process.execPath, '-e', ${JSON.stringify(sees)}] }],
        { clock: systemClock, log: silentLogger, signal: new AbortController().signal });`;
    const [command, ...args] = [process.execPath, '--input-type=module', '-e', script];
    const supervisor = spawn(command!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(supervisor);
    await eventually('the role runs', () => marks() === 'up');
    supervisor.kill('SIGKILL');
    await eventually('the role has seen it', () => marks() === 'up alone');
  });
});

describe('processes of an instance', () => {
  const run = (script: string, ...words: string[]) => {
    const [command, ...args] = node(script, ...words);
    const child = spawn(command, args, { stdio: 'ignore' });
    children.push(child);
    return child.pid!;
  };
  const forever = 'setInterval(() => {}, 1000)';
  const hasStarted = (pid: number, word: string) =>
    eventually('the process shows its arguments', () =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word),
    );

  test('a pid file counts only when its process is a gantry up of this directory', async () => {
    const file = pidFileOf(directory);
    const up = run(forever, 'up', '--data-dir', directory);
    const other = run(forever, 'up', '--data-dir', '/elsewhere');
    const foreign = run(forever, 'down', directory);
    for (const pid of [up, other, foreign]) await hasStarted(pid, 'setInterval');
    const said = (text: string) => {
      writeFileSync(file, text);
      return runningPid(file, directory);
    };
    expect(runningPid(file, directory)).toBeUndefined();
    expect(said(`${up}\n`)).toBe(up);
    for (const text of [`${other}\n`, `${foreign}\n`, `${process.pid}\n`, '4194399\n', '', 'x']) {
      expect(said(text), JSON.stringify(text)).toBeUndefined();
    }
  });

  test('an etcd of the directory counts as a role', async () => {
    const link = join(directory, 'etcd');
    symlinkSync(process.execPath, link);
    const child = spawn(link, ['-e', forever, '--', '--data-dir', join(directory, 'etcd/data')], {
      stdio: 'ignore',
    });
    children.push(child);
    await hasStarted(child.pid!, 'data-dir');
    expect(leftRoles(directory)).toEqual([child.pid]);
    expect(leftRoles('/elsewhere')).not.toContain(child.pid);
  });

  test('roles left by a killed up are waited for; nobody else is touched', async () => {
    const leaving = run('setTimeout(() => {}, 300)', 'server', '--data-dir', directory);
    const stranger = run(forever, 'server', '--data-dir', '/elsewhere');
    const supervisor = run(forever, 'join', '--role', 'server', '--data-dir', directory);
    await hasStarted(supervisor, 'join');
    await hasStarted(leaving, 'server');
    await hasStarted(stranger, 'server');
    expect(leftRoles(directory)).toEqual([leaving]);
    await endLeftRoles(directory, systemClock, memoryLogger(lines));
    expect(leftRoles(directory)).toEqual([]);
    expect(leftRoles('/elsewhere')).toContain(stranger);
    expect(lines).toEqual([]);
  });
});
