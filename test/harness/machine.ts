import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leftRoles } from '#cmd/gantry/machine/processes.ts';
import { tracesOf } from './cluster.ts';
import type { TestHost } from './host.ts';
import { eventually, mustRun, type Ran, run } from './run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A machine that joins a cluster, on a host of its own. */
export class TestMachine {
  readonly host: TestHost;
  readonly nodeName: string;
  readonly home = mkdtempSync(join(tmpdir(), 'gantry-machine-'));
  readonly directory = join(this.home, 'data');
  #pid: number | undefined;

  constructor(host: TestHost, nodeName: string) {
    this.host = host;
    this.nodeName = nodeName;
  }

  /** What it is told to run: `gantry join`, or the line that installs gantry first. */
  start(line: string): void {
    const log = openSync(this.logFile, 'a');
    const script = `exec 3<&-; ${line} --data-dir ${this.directory} --node-name ${this.nodeName}`;
    const [command, args] = this.host.inside('sh', ['-c', script]);
    const child = spawn(command, args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: {
        ...process.env,
        GANTRY_PREFIX: join(this.home, 'opt'),
        GANTRY_BIN: join(this.home, 'bin'),
        PATH: `${join(ROOT, 'bin')}:${process.env['PATH']}`,
      },
    });
    this.#pid = child.pid;
    child.unref();
    closeSync(log);
  }

  /** Runs the line and waits for its end: for those that are refused. */
  run(line: string): Promise<Ran> {
    const script = `${line} --data-dir ${this.directory} --node-name ${this.nodeName}`;
    const [command, args] = this.host.inside('sh', ['-c', script]);
    return run(command, args, {
      env: { PATH: `${join(ROOT, 'bin')}:${process.env['PATH']}` },
      timeoutMs: 60_000,
    });
  }

  gantry(args: readonly string[]): Promise<string> {
    return mustRun(...this.host.inside(join(ROOT, 'bin/gantry'), [...args, '--data-dir', this.directory]));
  }

  get logFile(): string {
    return `${this.home}.log`;
  }

  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  /** Containers run on. */
  async stop(): Promise<void> {
    const pid = await this.#running();
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    const gone = async () => (existsSync(`/proc/${pid}`) ? undefined : true);
    await eventually('gantry join ends', gone, { timeoutMs: 40_000 });
  }

  /** Its roles die at once, as when the power fails; containers run on, for that is another kernel's. */
  async kill(): Promise<void> {
    const pid = await this.#running();
    const pids = [...(pid === undefined ? [] : [pid]), ...leftRoles(this.directory)];
    for (const each of pids) process.kill(each, 'SIGKILL');
  }

  /** Undefined when it does not run. One that has just been started may not have said which process it is: that is waited for. */
  async #running(): Promise<number | undefined> {
    const path = join(this.directory, 'run/gantry.pid');
    const isAlive = (pid: number | undefined) => pid !== undefined && existsSync(`/proc/${pid}`);
    const said = eventually('gantry join says which process it is', async () => {
      const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
      if (isAlive(pid)) return { pid };
      return isAlive(this.#pid) ? undefined : { pid: undefined };
    });
    return (
      await said.catch((error) => {
        // It never will: whatever the line has started goes with its group.
        process.kill(-this.#pid!, 'SIGKILL');
        throw error;
      })
    ).pid;
  }

  /** Ends everything and removes every trace; returns what was left behind after the purge. */
  async destroy(): Promise<string[]> {
    await this.stop();
    if (existsSync(this.directory)) await this.gantry(['purge', '--yes']);
    const left = [...tracesOf(this.directory), ...(await this.host.traces())];
    rmSync(this.home, { recursive: true, force: true });
    if (left.length === 0 && !process.env['GANTRY_KEEP_LOGS']) rmSync(this.logFile, { force: true });
    return left;
  }
}
