import type { Duplex, PassThrough } from 'node:stream';
import { Broadcast } from '../broadcast.ts';
import {
  type ContainerSpec,
  type ContainerState,
  type Resources,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type SandboxId,
  type SandboxSpec,
  type SandboxState,
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
  readonly parents = new Map<string, Resources>();
  readonly listeners = new Map<string, (stream: Duplex) => void>();
  failures: Failure[] = [];
  calls: { call: FakeCall; sandbox?: string; container?: string }[] = [];
  nextPid = FIRST_PID;

  sandbox(id: SandboxId): Sandbox {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) throw new RuntimeError('NotFound', `no sandbox ${id}`);
    return sandbox;
  }

  ready(id: SandboxId): Sandbox {
    const sandbox = this.sandbox(id);
    if (sandbox.state === 'lost') throw new RuntimeError('Unavailable', `sandbox ${id} is lost: remove it`);
    return sandbox;
  }

  container(sandbox: SandboxId, id: string): Container {
    const container = this.sandbox(sandbox).containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `no container ${id} in sandbox ${sandbox}`);
    return container;
  }

  running(sandbox: SandboxId, id: string): Container {
    const container = this.container(sandbox, id);
    if (container.state.state !== 'running') {
      throw new RuntimeError('NotFound', `container ${id} in sandbox ${sandbox} is not running`);
    }
    return container;
  }

  state(sandbox: Sandbox): SandboxState {
    const { spec, state, createdAtMs } = sandbox;
    const networkNamespace = spec.namespaces.network === 'node' ? '' : `/fake/${spec.id}/ns/net`;
    const containers = [...sandbox.containers.values()].map((container) => structuredClone(container.state));
    const common = {
      id: spec.id,
      labels: { ...spec.labels },
      state,
      networkNamespace,
      createdAtMs,
      containers,
    };
    return spec.userNamespace ? { ...common, userNamespace: { ...spec.userNamespace } } : common;
  }
}
