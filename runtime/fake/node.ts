import type { Duplex, PassThrough } from 'node:stream';
import { Broadcast } from '../broadcast.ts';
import type {
  ContainerSpec,
  ContainerState,
  Runtime,
  RuntimeError,
  RuntimeEvent,
  SandboxId,
  SandboxSpec,
} from '../contract.ts';
import type { RunningProgram } from './process.ts';

const FIRST_PID = 1000;

export type FakeCall = Exclude<keyof Runtime, 'watch' | 'close'>;

export interface Container {
  spec: ContainerSpec;
  state: ContainerState;
  process: RunningProgram;
  attached: Set<{ stdout: PassThrough; stderr: PassThrough }>;
  partial: { stdout: string; stderr: string };
}

export interface Sandbox {
  spec: SandboxSpec;
  state: 'ready' | 'lost';
  createdAtMs: number;
  containers: Map<string, Container>;
}

interface Failure {
  call: FakeCall;
  error: RuntimeError;
  times: number;
}

/** What outlives the agent: shared by every FakeRuntime that was made from another by `reopen`. */
export class FakeNode {
  readonly sandboxes = new Map<SandboxId, Sandbox>();
  readonly events = new Broadcast<RuntimeEvent>();
  readonly logs = new Map<string, string>();
  readonly listeners = new Map<string, (stream: Duplex) => void>();
  failures: Failure[] = [];
  calls: { call: FakeCall; sandbox?: string; container?: string }[] = [];
  nextPid = FIRST_PID;
}
