import type { Kind } from '#api/kind.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { ApiObject, Node } from '#api/objects.ts';
import { type BoundKeys, boundKeys, boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Clock } from '#machinery/clock.ts';
import { isStatus, StatusError } from '#machinery/errors.ts';
import { leasesAt, NAMESPACE, serversOf } from '../bootstrap/servers.ts';
import type { Engine, RequestContext } from '../contract.ts';
import type { ObjectEngine } from '../engine/index.ts';
import { internalContext } from '../engine/parts.ts';

export interface RemovalDeps {
  engine: Engine & Pick<ObjectEngine, 'remove'>;
  clock: Clock;
  /** The node on this server's own machine. */
  ownNode?: string;
  /** Takes the member of the store out that runs on a node's machine, if one does. Rejects with Conflict when the others are too few then. */
  leaveStore?: (node: string) => Promise<void>;
}

export interface Removal {
  node: string;
  /** Pods that were on it, and are gone. */
  pods: number;
  /** It was a server's machine. */
  server: boolean;
}

const NODE_LEASES = 'kube-node-lease';

/**
 * Takes a node out of the cluster: its pods, as they are, its Node, its Leases, and what binds its name to its key, so that another
 * machine may have it. Every step may be done already. NotFound when nobody has that name; Conflict for the machine of a server that
 * is at work, unless that one is not this and `force` says that it is dead.
 */
export async function removeNode(
  name: string,
  force: boolean,
  { identity, signal }: RequestContext,
  { engine, clock, ownNode, leaveStore }: RemovalDeps,
): Promise<Removal> {
  await engine.fresh();
  const node = engine.get(NodeKind, name);
  const map = engine.get(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace);
  const bound = boundKeys(map?.data, name);
  if (!node && (!bound || bound.removedMs !== undefined))
    throw new StatusError('NotFound', `no node has the name ${JSON.stringify(name)}`);
  if (name === ownNode)
    throw new StatusError(
      'Conflict',
      `${name} is the machine of the server that was asked: run "gantry leave" there, or ask another server`,
    );
  const servers = leasesAt(engine.list(LeaseKind, NAMESPACE), addressesOf(node));
  if (!force && serversOf(servers, clock.now()).length > 0)
    throw new StatusError(
      'Conflict',
      `${name} is the machine of a server that is at work: run "gantry leave" there (when it is dead, --force)`,
    );
  await leaveStore?.(name);
  // Not with the rights of a node, which may delete nothing of this.
  const context = internalContext(identity.name, `${name} is removed`, signal);
  const remove = (kind: Kind<never>, object: ApiObject, graceSeconds?: number) =>
    gone(() => {
      const { namespace, uid } = object.metadata;
      const options = { context, uid, ...(graceSeconds !== undefined && { graceSeconds }) };
      return engine.remove(kind as Kind, namespace, object.metadata.name, options);
    });
  const pods = engine.list(PodKind).filter(({ spec }) => spec?.nodeName === name);
  for (const pod of pods) await remove(PodKind, pod, 0);
  const lease = engine.get(LeaseKind, name, NODE_LEASES);
  for (const each of [...servers, ...(lease ? [lease] : [])]) await remove(LeaseKind, each);
  const bind = (change: (bound: BoundKeys) => BoundKeys) =>
    rebind(engine, name, context.identity.name, change);
  // The certificate ends with the Node: that goes when all else has, for the node itself may be who asks. It must not come back by
  // the next heartbeat, before the name is free.
  if (node && bound) await bind((now) => ({ ...now, registered: true }));
  if (node) await remove(NodeKind, node);
  if (bound) await bind(({ keys }) => ({ keys, registered: false, removedMs: clock.now() }));
  return { node: name, pods: pods.length, server: servers.length > 0 || bound?.server === true };
}

function addressesOf(node: Node | undefined): Set<string> {
  return new Set((node?.status?.addresses ?? []).map(({ address }) => address));
}

/** What somebody else has removed is removed. */
async function gone(remove: () => Promise<unknown>): Promise<void> {
  await remove().catch((error: unknown) => {
    if (!isStatus(error, 'NotFound')) throw error;
  });
}

async function rebind(
  engine: Engine,
  name: string,
  actor: string,
  change: (bound: BoundKeys) => BoundKeys,
): Promise<void> {
  await engine.update(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace, actor, (current) => {
    const bound = boundKeys(current.data, name);
    if (!bound || bound.removedMs !== undefined) return current;
    return { ...current, data: { ...current.data, [name]: boundKeysText(change(bound)) } };
  });
}
