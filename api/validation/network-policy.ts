/** Network policies. Source: Kubernetes API reference, NetworkPolicySpec. */
import { cidrContains, parseCidr } from '#machinery/values/cidr.ts';
import type { NetworkPolicy } from '../objects.ts';
import type { Faults } from './faults.ts';
import { portNameFaults, portNumberFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
type Ingress = NonNullable<Spec['ingress']>[number];
type Port = NonNullable<Ingress['ports']>[number];
type Peer = NonNullable<Ingress['from']>[number];
type Block = NonNullable<Peer['ipBlock']>;

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const TYPES = ['Ingress', 'Egress'];

export const CIDR_RULE = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

export function checkNetworkPolicy(policy: NetworkPolicy, faults: Faults): void {
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = policy.spec ?? {};
  checkLabelSelector(podSelector, 'spec.podSelector', faults);
  for (const [index, rule] of ingress.entries()) {
    checkPorts(rule.ports, `spec.ingress[${index}].ports`, faults);
    checkPeers(rule.from, `spec.ingress[${index}].from`, faults);
  }
  for (const [index, rule] of egress.entries()) {
    checkPorts(rule.ports, `spec.egress[${index}].ports`, faults);
    checkPeers(rule.to, `spec.egress[${index}].to`, faults);
  }
  if (policyTypes.length > TYPES.length) {
    faults.invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes');
    return;
  }
  for (const [index, type] of policyTypes.entries())
    if (!TYPES.includes(type)) faults.notSupported(`spec.policyTypes[${index}]`, type, TYPES);
}

function checkPorts(ports: Port[] | undefined, field: string, faults: Faults): void {
  for (const [index, { protocol, port, endPort }] of (ports ?? []).entries()) {
    const at = `${field}[${index}]`;
    if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
      faults.notSupported(`${at}.protocol`, protocol, PROTOCOLS);
    }
    if (port === undefined) {
      if (endPort !== undefined)
        faults.invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is not specified');
    } else if (typeof port === 'number') checkRange(port, endPort, at, faults);
    else {
      if (endPort !== undefined)
        faults.invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is non-numeric');
      faults.invalidFor(`${at}.port`, port, portNameFaults(port));
    }
  }
}

function checkRange(port: number, endPort: number | undefined, at: string, faults: Faults): void {
  faults.invalidFor(`${at}.port`, port, portNumberFaults(port));
  if (endPort === undefined) return;
  if (endPort < port) faults.invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`');
  faults.invalidFor(`${at}.endPort`, endPort, portNumberFaults(endPort));
}

function checkPeers(peers: Peer[] | undefined, field: string, faults: Faults): void {
  for (const [index, { podSelector, namespaceSelector, ipBlock }] of (peers ?? []).entries()) {
    const at = `${field}[${index}]`;
    checkLabelSelector(podSelector, `${at}.podSelector`, faults);
    checkLabelSelector(namespaceSelector, `${at}.namespaceSelector`, faults);
    if (ipBlock) checkBlock(ipBlock, `${at}.ipBlock`, faults);
    const hasSelector = podSelector !== undefined || namespaceSelector !== undefined;
    if (!hasSelector && !ipBlock) faults.required(at, 'must specify a peer');
    else if (hasSelector && ipBlock) faults.forbidden(at, 'may not specify both ipBlock and another peer');
  }
}

function checkBlock({ cidr, except }: Block, field: string, faults: Faults): void {
  if (!cidr) {
    faults.required(`${field}.cidr`);
    return;
  }
  const whole = parseCidr(cidr);
  if (!whole) {
    faults.invalid(`${field}.cidr`, cidr, CIDR_RULE);
    return;
  }
  for (const [index, text] of (except ?? []).entries()) {
    const at = `${field}.except[${index}]`;
    const part = parseCidr(text);
    if (!part) faults.invalid(at, text, CIDR_RULE);
    else if (!cidrContains(whole, part) || part.prefix === whole.prefix)
      faults.invalid(at, text, 'must be a strict subset of `cidr`');
  }
}
