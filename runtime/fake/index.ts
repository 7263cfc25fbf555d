import { basename } from 'node:path';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import type { Clock } from '#machinery/clock.ts';
import {
  type ContainerSpec,
  type ContainerState,
  type ContainerStats,
  type ExecSpec,
  type ExitReason,
  type ExitStatus,
  type ProcessStreams,
  type Resources,
  type Runtime,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeEvent,
  type RuntimeHandler,
  type RuntimeInfo,
  type SandboxId,
  type SandboxSpec,
  type SandboxState,
} from '../contract.ts';
import {
  requireHandler,
  validateContainer,
  validateExec,
  validateParent,
  validateResources,
  validateSandbox,
  validateUserNamespace,
} from '../validate.ts';
import { type Container, type FakeCall, FakeNode, type Sandbox } from './node.ts';
import { RunningProgram } from './process.ts';
import { BASIC_PROGRAMS, type FakeProgram } from './programs.ts';

export type { FakeCall } from './node.ts';
export { BASIC_PROGRAMS, type FakeProcess, type FakeProgram, runsForever } from './programs.ts';

const SIGKILL = 9;
const SIGTERM = 15;

export interface FakeRuntimeOptions {
  clock: Clock;
  /** Which behaviour stands for a command; undefined = there is no such program (CannotRun, 127). */
  program?: (spec: {
    args: string[];
    labels: Record<string, string>;
    root: string;
  }) => FakeProgram | undefined;
  /** Handlers besides its own. */
  handlers?: readonly RuntimeHandler[];
  /** Where log lines go too, besides `logs`. */
  appendLog?: (path: string, text: string) => void;
}

/** Enough to look back on in a test; older calls are dropped. */
const CALLS_KEPT = 10_000;

/** A runtime in memory, for tests and the simulator: scripted programs, failures on demand, the same contract. */
export class FakeRuntime implements Runtime {
  readonly #options: FakeRuntimeOptions;
  readonly #node: FakeNode;
  #closed = false;

  constructor(options: FakeRuntimeOptions, node: unknown = new FakeNode()) {
    this.#options = options;
    this.#node = node as FakeNode;
  }

  // Knobs.

  /** Lets the next `times` calls of that name reject. */
  fail(call: FakeCall, code: RuntimeErrorCode = 'Kernel', times = 1, step = 'injected'): void {
    this.#node.failures.push({
      call,
      error: new RuntimeError(code, `injected failure of ${call}`, step),
      times,
    });
  }

  /** The agent's view after its restart: same sandboxes, new connection. */
  reopen(): FakeRuntime {
    return new FakeRuntime(this.#options, this.#node);
  }

  /** As if the monitor had been killed. */
  loseSandbox(id: SandboxId): void {
    const sandbox = this.#node.sandbox(id);
    sandbox.state = 'lost';
    for (const container of sandbox.containers.values())
      container.process.end(128 + SIGKILL, SIGKILL, 'Lost');
    this.#node.events.send({ type: 'lost', sandbox: id, message: 'its monitor is gone' });
  }

  /** Ends a container from outside: a crash, an OOM kill (137, 9, 'OOMKilled'). */
  exitContainer(
    sandbox: SandboxId,
    container: string,
    code: number,
    signal?: number,
    reason?: ExitReason,
  ): void {
    this.#node.container(sandbox, container).process.end(code, signal, reason);
  }

  /** The kernel kills a process of the container, which goes on. */
  killForMemory(sandbox: SandboxId, container: string, process: string, pid: number): void {
    this.#node.running(sandbox, container);
    this.#node.events.send({ type: 'oom', sandbox, container, process, pid, wholeNode: false });
  }

  /** What a server on that port of the sandbox does with a dialled connection. */
  listen(sandbox: SandboxId, port: number, serve: (stream: Duplex) => void): void {
    this.#node.listeners.set(`${sandbox}:${port}`, serve);
  }

  /** Text of a log file as CRI lines. */
  log(path: string): string {
    return this.#node.logs.get(path) ?? '';
  }

  /** As a rotation of logs does. */
  moveLog(from: string, to: string): void {
    this.#node.logs.set(to, this.log(from));
    this.#node.logs.delete(from);
  }

  /** Calls made so far, oldest first. */
  get calls(): readonly { call: FakeCall; sandbox?: string; container?: string }[] {
    return this.#node.calls;
  }

  spec(sandbox: SandboxId, container: string): ContainerSpec {
    return this.#node.container(sandbox, container).spec;
  }

  /** Limits of the parents of sandboxes, by their names. */
  get parents(): ReadonlyMap<string, Resources> {
    return this.#node.parents;
  }

  /** The limits of a whole pod. */
  sandboxResources(sandbox: SandboxId): Resources {
    return this.#node.sandbox(sandbox).spec.resources;
  }

  // Runtime.

  async info(): Promise<RuntimeInfo> {
    this.#begin('info');
    const features = { userNamespaces: true, idmappedTmpfs: true };
    return { version: 'fake', cgroup: 'v2', features, handlers: this.#handlers };
  }

  async createSandbox(spec: SandboxSpec): Promise<SandboxState> {
    this.#begin('createSandbox', spec.id);
    validateSandbox(spec);
    requireHandler(spec, this.#handlers);
    const existing = this.#node.sandboxes.get(spec.id);
    const others = [...this.#node.sandboxes.values()].map((sandbox) => sandbox.spec);
    if (!existing) validateUserNamespace(spec, others);
    const sandbox = existing ?? {
      spec: structuredClone(spec),
      state: 'ready' as const,
      createdAtMs: this.#options.clock.now(),
      containers: new Map(),
    };
    this.#node.sandboxes.set(spec.id, sandbox);
    return this.#node.state(sandbox);
  }

  async removeSandbox(id: SandboxId): Promise<void> {
    this.#begin('removeSandbox', id);
    const sandbox = this.#node.sandboxes.get(id);
    if (!sandbox) return;
    for (const container of sandbox.containers.values()) container.process.signal(SIGKILL);
    for (const key of this.#node.listeners.keys())
      if (key.startsWith(`${id}:`)) this.#node.listeners.delete(key);
    this.#node.sandboxes.delete(id);
  }

  async startContainer(sandboxId: SandboxId, spec: ContainerSpec): Promise<ContainerState> {
    this.#begin('startContainer', sandboxId, spec.id);
    const sandbox = this.#node.ready(sandboxId);
    validateContainer(spec, sandbox.spec.userNamespace);
    const existing = sandbox.containers.get(spec.id);
    if (existing) return structuredClone(existing.state);
    const program = this.#program(spec.args, spec);
    const pid = this.#node.nextPid++;
    const container: Container = {
      spec: structuredClone(spec),
      state: {
        id: spec.id,
        labels: { ...spec.labels },
        state: 'running',
        pid,
        startedAtMs: this.#options.clock.now(),
      },
      process: new RunningProgram({
        clock: this.#options.clock,
        program,
        args: spec.args,
        env: spec.env,
        cwd: spec.cwd,
        tty: spec.tty,
        stdin: spec.stdin !== 'none',
        onOutput: (stream, text) => this.#output(container, stream, text),
      }),
      attached: new Set(),
      partial: { stdout: '', stderr: '' },
    };
    sandbox.containers.set(spec.id, container);
    void container.process.exit.then((exit) => this.#exited(sandbox, container, exit));
    return structuredClone(container.state);
  }

  async stopContainer(
    sandbox: SandboxId,
    id: string,
    graceMs: number,
    signal = SIGTERM,
  ): Promise<ExitStatus> {
    this.#begin('stopContainer', sandbox, id);
    const { process } = this.#node.container(sandbox, id);
    process.signal(graceMs > 0 ? signal : SIGKILL);
    const timer = this.#options.clock.timer(graceMs, () => process.signal(SIGKILL));
    const exit = await process.exit;
    timer.cancel();
    return exit;
  }

  async removeContainer(sandbox: SandboxId, id: string): Promise<void> {
    this.#begin('removeContainer', sandbox, id);
    const containers = this.#node.sandboxes.get(sandbox)?.containers;
    containers?.get(id)?.process.signal(SIGKILL);
    containers?.delete(id);
  }

  async reopenLog(sandbox: SandboxId, id: string): Promise<void> {
    this.#begin('reopenLog', sandbox, id);
    const { logPath } = this.#node.running(sandbox, id).spec;
    this.#node.logs.set(logPath, this.log(logPath));
    this.#options.appendLog?.(logPath, '');
  }

  async updateResources(sandbox: SandboxId, id: string | undefined, resources: Resources): Promise<void> {
    this.#begin('updateResources', sandbox, id);
    validateResources(resources);
    const { spec } = id === undefined ? this.#node.ready(sandbox) : this.#node.running(sandbox, id);
    Object.assign(spec.resources, resources);
  }

  async updateParent(cgroupParent: string, resources: Resources): Promise<void> {
    this.#begin('updateParent');
    validateParent(cgroupParent);
    validateResources(resources);
    this.#node.parents.set(cgroupParent, { ...this.#node.parents.get(cgroupParent), ...resources });
  }

  async pause(sandbox: SandboxId, id: string): Promise<void> {
    this.#begin('pause', sandbox, id);
    this.#node.running(sandbox, id).state.paused = true;
  }

  async resume(sandbox: SandboxId, id: string): Promise<void> {
    this.#begin('resume', sandbox, id);
    delete this.#node.running(sandbox, id).state.paused;
  }

  async exec(sandbox: SandboxId, id: string, spec: ExecSpec): Promise<ProcessStreams> {
    this.#begin('exec', sandbox, id);
    validateExec(spec, this.#node.ready(sandbox).spec);
    const container = this.#node.running(sandbox, id);
    if (container.state.paused) throw new RuntimeError('Busy', `container ${id} is paused: resume it first`);
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const process = new RunningProgram({
      clock: this.#options.clock,
      program: this.#program(spec.args, container.spec),
      args: spec.args,
      env: [...container.spec.env, ...(spec.env ?? [])],
      cwd: spec.cwd ?? container.spec.cwd,
      tty: spec.tty,
      stdin: spec.stdin,
      onOutput: (stream, text) => (stream === 'stdout' ? stdout : stderr).write(text),
    });
    void process.exit.then(() => {
      stdout.end();
      stderr.end();
    });
    void container.process.exit.then(() => process.signal(SIGKILL));
    return {
      stdin: process.stdin,
      stdout,
      stderr,
      resize() {},
      signal: (signal) => process.signal(signal),
      exit: process.exit,
      close: () => process.signal(SIGKILL),
    };
  }

  async attach(sandbox: SandboxId, id: string): Promise<ProcessStreams> {
    this.#begin('attach', sandbox, id);
    const container = this.#node.running(sandbox, id);
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
    container.attached.add(streams);
    const close = () => {
      if (!container.attached.delete(streams)) return;
      streams.stdout.end();
      streams.stderr.end();
      if (container.spec.stdin === 'once') container.process.stdin?.end();
    };
    const stdin = container.process.stdin && new PassThrough();
    stdin?.pipe(container.process.stdin!, { end: container.spec.stdin === 'once' });
    void container.process.exit.then(close);
    const signal = (number: number) => container.process.signal(number);
    return { stdin, ...streams, resize() {}, signal, exit: container.process.exit, close };
  }

  async dial(sandbox: SandboxId, port: number): Promise<Duplex> {
    this.#begin('dial', sandbox);
    this.#node.ready(sandbox);
    const serve = this.#node.listeners.get(`${sandbox}:${port}`);
    if (!serve) throw new RuntimeError('Kernel', `connect: 127.0.0.1:${port}: ECONNREFUSED`, 'connect');
    const [ours, theirs] = duplexPair();
    serve(theirs);
    return ours;
  }

  async stats(sandbox: SandboxId, container?: string): Promise<ContainerStats> {
    this.#begin('stats', sandbox, container);
    if (container === undefined) this.#node.ready(sandbox);
    else this.#node.running(sandbox, container);
    return { cpuNs: 1_000_000, memoryBytes: 1 << 20, memoryWorkingSetBytes: 1 << 20, pids: 1, oomKills: 0 };
  }

  async list(): Promise<SandboxState[]> {
    this.#begin('list');
    return [...this.#node.sandboxes.values()].map((sandbox) => this.#node.state(sandbox));
  }

  watch(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return this.#node.events.read(signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  get #handlers(): RuntimeHandler[] {
    const features = { recursiveReadOnlyMounts: true, userNamespaces: true };
    return [{ name: '', features }, ...(this.#options.handlers ?? [])];
  }

  #begin(call: FakeCall, sandbox?: string, container?: string): void {
    if (this.#closed) throw new RuntimeError('Unavailable', 'the runtime is closed');
    this.#node.calls.push({ call, sandbox, container });
    if (this.#node.calls.length > CALLS_KEPT) this.#node.calls.shift();
    const failure = this.#node.failures.find((candidate) => candidate.call === call && candidate.times > 0);
    if (!failure) return;
    failure.times--;
    throw failure.error;
  }

  #program(args: string[], spec: ContainerSpec): FakeProgram {
    const choose = this.#options.program ?? ((command) => BASIC_PROGRAMS[basename(command.args[0]!)]);
    const program = choose({ args, labels: spec.labels, root: spec.root.source });
    if (program) return program;
    const name = JSON.stringify(args[0]);
    throw new RuntimeError('CannotRun', `exec: ${name}: executable file not found in $PATH`, 'exec', 127);
  }

  #output(container: Container, stream: 'stdout' | 'stderr', text: string): void {
    for (const streams of container.attached) streams[stream].write(text);
    const lines = (container.partial[stream] + text).split('\n');
    container.partial[stream] = lines.pop()!;
    for (const line of lines) this.#logLine(container, stream, 'F', line);
  }

  #logLine(container: Container, stream: string, tag: 'F' | 'P', line: string): void {
    const path = container.spec.logPath;
    const time = new Date(this.#options.clock.now()).toISOString().replace('Z', '000000Z');
    const text = `${time} ${stream} ${tag} ${line}\n`;
    this.#node.logs.set(path, this.log(path) + text);
    this.#options.appendLog?.(path, text);
  }

  #exited(sandbox: Sandbox, container: Container, exit: ExitStatus): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (container.partial[stream]) this.#logLine(container, stream, 'P', container.partial[stream]);
    }
    container.state.state = 'exited';
    delete container.state.paused;
    container.state.exit = exit;
    if (sandbox.state === 'lost' || sandbox.containers.get(container.spec.id) !== container) return;
    this.#node.events.send({ type: 'exited', sandbox: sandbox.spec.id, container: container.spec.id, exit });
  }
}
