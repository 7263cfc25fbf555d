import { auditNode, auditSysctls, type NodeState } from '../audit.ts';
import type { NodeNetworkConfig, NodePeer, UnreachablePeer } from '../contract.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { execute, type Step, type StepEffects } from '../steps.ts';
import { peersLeft, peersPlan } from './plan.ts';

export interface MendedPeers {
  /** What the ways to all of them let through: see PeersPlan. */
  mtu: number;
  unreachable: UnreachablePeer[];
  /** What was not as planned, for people. */
  findings: string[];
}

/** Makes the kernel's ways to other nodes be those to `peers`. What the kernel refuses for one node does not keep it from the next. */
export async function mendPeers(
  config: NodeNetworkConfig,
  peers: readonly NodePeer[],
  state: NodeState,
  effects: StepEffects,
): Promise<MendedPeers> {
  const plan = peersPlan(config, peers, state);
  const left = peersLeft(config, plan, state);
  await execute(left, effects);
  const now = without(left, state);
  const mended: MendedPeers = {
    mtu: plan.mtu,
    unreachable: [...plan.unreachable],
    findings: left.map((step) => `something is left of another node: ${describe(step)}`),
  };
  const noDevice = await mend(plan.device, now, effects, mended, {
    // Made and yet not there: one of another name has what it needs.
    ENODEV: 'another VXLAN device of this machine uses the same network identifier and UDP port',
  });
  for (const { name, overlay, steps } of plan.peers) {
    const refused = overlay && noDevice ? noDevice : await mend(steps, now, effects, mended);
    if (refused) mended.unreachable.push({ name, why: refused });
  }
  return mended;
}

/** Performs what differs; gives back what the kernel refused. */
async function mend(
  steps: readonly Step[],
  state: NodeState,
  effects: StepEffects,
  mended: MendedPeers,
  reasons: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const audits = [auditNode(steps, state), await auditSysctls(steps, effects.sysctl)];
  mended.findings.push(...audits.flatMap(({ findings }) => findings));
  try {
    await execute(
      audits.flatMap((audit) => audit.steps),
      effects,
    );
    return undefined;
  } catch (error) {
    if (error instanceof NetlinkError) return reasons[error.errno] ?? error.message;
    throw error;
  }
}

/** The state once links of it have been deleted. */
function without(left: readonly Step[], state: NodeState): NodeState {
  const gone = new Set(left.flatMap((step) => (step.op === 'delete-link' ? [step.link] : [])));
  return { ...state, links: state.links.filter(({ name }) => !gone.has(name)) };
}

function describe(step: Step): string {
  if (step.op === 'delete-route') return `route ${step.destination}`;
  if (step.op === 'delete-neighbour') return `neighbour ${step.address}`;
  if (step.op === 'delete-forward') return `forwarding to ${step.to}`;
  return step.op === 'delete-link' ? `link ${step.link}` : step.op;
}
