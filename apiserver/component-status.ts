import { resourceName } from '#api/kind.ts';
import { ComponentStatusKind } from '#api/kinds/component-status.ts';
import type { ComponentStatus } from '#api/objects.ts';
import { messageOf } from '#machinery/errors.ts';
import type { ResourceHandler } from './contract.ts';

/** Asks a part of the control plane how it is: undefined when it is well, or what is wrong. */
export type Probe = () => Promise<string | undefined> | string | undefined;

/** The parts by the names Kubernetes has for them. */
export type Probes = Readonly<Record<'scheduler' | 'controller-manager' | 'etcd-0', Probe | undefined>>;

/** Serves `kubectl get componentstatuses`: every part is asked when somebody wants to know. */
export function componentStatusHandler(probes: Probes): ResourceHandler {
  return {
    resource: resourceName(ComponentStatusKind),
    objects: () => Promise.all(Object.entries(probes).map(([name, probe]) => statusOf(name, probe))),
  };
}

async function statusOf(name: string, probe: Probe | undefined): Promise<ComponentStatus> {
  const condition = probe ? await ask(probe) : { status: 'Unknown', message: 'runs somewhere else' };
  return {
    apiVersion: 'v1',
    kind: 'ComponentStatus',
    metadata: { name },
    conditions: [{ type: 'Healthy', ...condition }],
  };
}

async function ask(probe: Probe): Promise<{ status: string; message?: string; error?: string }> {
  try {
    const fault = await probe();
    return fault === undefined ? { status: 'True', message: 'ok' } : { status: 'False', message: fault };
  } catch (error) {
    // That it cannot be asked is the answer.
    return { status: 'False', error: messageOf(error) };
  }
}
