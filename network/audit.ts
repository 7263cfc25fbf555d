import { canonicalAddress, canonicalCidr } from '#machinery/values/cidr.ts';
import type { Link, LinkAddress, Route } from './netlink/route.ts';
import type { Step } from './steps.ts';

/** Links, addresses and routes as the kernel has them. */
export interface NodeState {
  links: Link[];
  addresses: LinkAddress[];
  routes: Route[];
}

/** What differs from the plan, for people, and the steps of the plan that mend it. */
export interface NodeAudit {
  findings: string[];
  steps: Step[];
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
  'delete-link': nothing,
  bridge(step, { links }) {
    const link = links.find(({ name }) => name === step.name);
    if (!link) return `bridge ${step.name} is gone`;
    if (!link.up) return `bridge ${step.name} is down`;
    return link.mac === step.mac ? undefined : `bridge ${step.name} has address ${link.mac}`;
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
    const there = state.routes.some(
      (each) =>
        each.kind === 'unicast' &&
        each.index === index &&
        each.destination === canonicalCidr(step.destination) &&
        each.metric === step.metric &&
        each.source === step.source,
    );
    return there ? undefined : `route ${step.destination} by ${step.link} is gone`;
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
