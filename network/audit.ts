import { canonicalAddress, canonicalCidr } from '#machinery/values/cidr.ts';
import type { Forward, Neighbour } from './netlink/overlay.ts';
import type { Link, LinkAddress, Route } from './netlink/route.ts';
import type { Sysctl } from './netlink/sysctl.ts';
import type { Step } from './steps.ts';

/** Links, addresses and routes as the kernel has them. */
export interface NodeState {
  links: Link[];
  addresses: LinkAddress[];
  routes: Route[];
  /** Permanent ones. */
  neighbours: Neighbour[];
  /** Of VXLAN devices. */
  forwards: Forward[];
}

/** What differs from the plan, for people, and the steps of the plan that mend it. */
export interface NodeAudit {
  findings: string[];
  steps: Step[];
}

/** The parameters of a plan that are not as planned. */
export async function auditSysctls(plan: readonly Step[], sysctl: Sysctl): Promise<NodeAudit> {
  const audit: NodeAudit = { findings: [], steps: [] };
  for (const step of plan) {
    if (step.op !== 'sysctl') continue;
    const value = await sysctl.read(step.key);
    if (value === step.value) continue;
    audit.findings.push(`${step.key} is ${value}`);
    audit.steps.push(step);
  }
  return audit;
}

/** Compares the steps of a node's plan with the kernel: pure. What a plan does not name is left alone. */
export function auditNode(plan: readonly Step[], state: NodeState): NodeAudit {
  const audit: NodeAudit = { findings: [], steps: [] };
  for (const step of plan) {
    const fault = FAULTS[step.op](step as never, state);
    if (!fault) continue;
    audit.findings.push(fault);
    audit.steps.push(step);
  }
  return audit;
}

type Faults = {
  [S in Step as S['op']]: (step: S, state: NodeState) => string | undefined;
};

const nothing = () => undefined;

const FAULTS: Faults = {
  sysctl: nothing,
  veth: nothing,
  port: nothing,
  up: nothing,
  mtu: nothing,
  'delete-link': nothing,
  'delete-route': nothing,
  'delete-neighbour': nothing,
  'delete-forward': nothing,
  bridge(step, { links }) {
    const link = links.find(({ name }) => name === step.name);
    if (!link) return `bridge ${step.name} is gone`;
    if (!link.up) return `bridge ${step.name} is down`;
    if (link.mac !== step.mac) return `bridge ${step.name} has address ${link.mac}`;
    return link.mtu === step.mtu ? undefined : `bridge ${step.name} has MTU ${link.mtu}`;
  },
  address(step, state) {
    const [address = '', prefix] = step.cidr.split('/');
    const index = state.links.find(({ name }) => name === step.link)?.index;
    const there = state.addresses.some(
      (each) =>
        each.index === index && each.address === canonicalAddress(address) && each.prefix === Number(prefix),
    );
    return there ? undefined : `address ${step.cidr} of ${step.link} is gone`;
  },
  route(step, state) {
    const index = state.links.find(({ name }) => name === step.link)?.index;
    const destination = canonicalCidr(step.destination);
    const there = state.routes.some(
      (each) =>
        each.kind === 'unicast' &&
        each.index === index &&
        each.destination === destination &&
        each.metric === step.metric &&
        each.gateway === step.gateway &&
        each.source === step.source,
    );
    return there ? undefined : `route ${step.destination} by ${step.link} is gone`;
  },
  vxlan(step, { links }) {
    const link = links.find(({ name }) => name === step.name);
    if (!link) return `vxlan ${step.name} is gone`;
    if (!link.up) return `vxlan ${step.name} is down`;
    return link.mac === step.mac && link.mtu === step.mtu ? undefined : `vxlan ${step.name} was changed`;
  },
  neighbour(step, { links, neighbours }) {
    const index = links.find(({ name }) => name === step.link)?.index;
    const there = neighbours.some(
      (each) => each.index === index && each.address === step.address && each.mac === step.mac,
    );
    return there ? undefined : `neighbour ${step.address} of ${step.link} is gone`;
  },
  forward(step, { links, forwards }) {
    const index = links.find(({ name }) => name === step.link)?.index;
    const there = forwards.some(
      (each) => each.index === index && each.mac === step.mac && each.to === step.to,
    );
    return there ? undefined : `forwarding to ${step.to} by ${step.link} is gone`;
  },
  unreachable(step, { routes }) {
    const there = routes.some(
      (each) =>
        each.kind === 'unreachable' &&
        each.destination === canonicalCidr(step.destination) &&
        each.metric === step.metric,
    );
    return there ? undefined : `unreachable route ${step.destination} is gone`;
  },
};
