import { join } from 'node:path';
import { hostProcesses } from '#test/harness/host-processes.ts';
import { DISK, type HostSpace } from '#test/harness/host-space.ts';
import type { LabHost } from '#test/harness/lab.ts';
import { commandLine, roleOf } from '#test/harness/roles.ts';
import { mustRun, type Ran, run } from '#test/harness/run.ts';
import type { Role } from './schedule.ts';
import { Service } from './service.ts';

export const GANTRY = new URL('../../bin/gantry', import.meta.url).pathname;

/** A host of the run, with gantry as its service. */
export class Machine {
  /** `h1`. */
  readonly name: string;
  readonly nodeName: string;
  readonly host: LabHost;
  readonly dataDir: string;
  readonly #services: Service[] = [];
  readonly #logOf: (service: string) => string;

  constructor(name: string, host: LabHost, logs: string) {
    this.name = name;
    this.nodeName = `node-${name.slice(1)}`;
    this.host = host;
    this.dataDir = join(this.space.options.directory, 'gantry');
    this.#logOf = (service) => join(logs, `${name}-${service}.log`);
  }

  get space(): HostSpace {
    return this.host.space!;
  }

  /** `arguments_`: of `gantry`, the data directory and the node's name apart; asked at each start. */
  runGantry(arguments_: () => readonly string[]): void {
    const own = ['--data-dir', this.dataDir, '--node-name', this.nodeName];
    this.#run(() => this.host.inside(GANTRY, [...arguments_(), ...own]), 'gantry');
  }

  #run(command: () => [string, string[]], name: string): void {
    const service = new Service(command, this.#logOf(name));
    this.#services.push(service);
    service.start();
  }

  gantry(args: readonly string[]): Promise<string> {
    return mustRun(...this.host.inside(GANTRY, [...args, '--data-dir', this.dataDir]));
  }

  sh(script: string): Promise<Ran> {
    return run(...this.host.inside('sh', ['-c', script]));
  }

  /** Pids of its processes of a role; of monitors one for each pod. */
  pids(role: Role): number[] {
    return hostProcesses(this.host.name).filter((pid) => roleOf(commandLine(pid)) === role);
  }

  /** A power cut: nothing runs until `start`, and only the disk is left. */
  async powerOff(): Promise<void> {
    this.release();
    await this.host.reboot();
  }

  /** Nothing of what runs. */
  start(): void {
    for (const service of this.#services) service.start();
  }

  /** Nothing is started again from now on: whoever made the machine leaves it as it is. */
  release(): void {
    for (const service of this.#services) service.abandon();
  }

  /** Ends the services in order, gantry before etcd. */
  async stop(): Promise<void> {
    for (const service of this.#services.toReversed()) await service.stop();
  }

  /** What is still there of gantry when it was stopped and purged; a line for each thing. */
  async traces(): Promise<string[]> {
    const { directory } = this.space.options;
    const look = `
      awk '$2 ~ "^(${directory}|${DISK})/" { print "mount", $2 }' /proc/self/mounts
      find /sys/fs/cgroup -mindepth 2 -type d -name '*gantry*' | sed 's/^/cgroup /'
      find /run /dev/shm -mindepth 1 -maxdepth 1 -name '*gantry*' | sed 's/^/file /'
      [ ! -e ${this.dataDir} ] || echo directory ${this.dataDir}`;
    const { stdout } = await this.sh(look);
    const processes = hostProcesses(this.host.name).map((pid) => `process ${commandLine(pid).join(' ')}`);
    const found = [...processes, ...stdout.split('\n').filter(Boolean), ...(await this.host.traces())];
    return found.map((line) => `${this.name}: ${line}`);
  }
}
