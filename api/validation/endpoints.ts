/** Endpoints and EndpointSlices. Source: Kubernetes API reference, Endpoints, EndpointSlice. */
import { parseAddress } from '#machinery/values/cidr.ts';
import type { EndpointSlice, Endpoints } from '../objects.ts';
import { PROTOCOLS } from './container.ts';
import type { Faults } from './faults.ts';
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  labelValueFaults,
  portNumberFaults,
  qualifiedNameFaults,
} from './names.ts';
import { checkLabels } from './object-meta.ts';
import { checkIp, IP_RULE } from './pod-spec.ts';
import { specialAddressFaults } from './special-address.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];
type SubsetPort = NonNullable<Subset['ports']>[number];
type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];
type SlicePort = NonNullable<EndpointSlice['ports']>[number];

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;
const MAX_TOPOLOGY_LABELS = 16;
const MAX_HINTS = 8;

export function checkEndpoints(endpoints: Endpoints, faults: Faults): void {
  for (const [index, subset] of (endpoints.subsets ?? []).entries()) {
    const at = `subsets[${index}]`;
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (addresses.length + notReadyAddresses.length === 0) {
      faults.required(at, 'must specify `addresses` or `notReadyAddresses`');
    }
    for (const [part, list] of Object.entries({ addresses, notReadyAddresses }))
      for (const [nth, address] of list.entries()) checkAddress(address, `${at}.${part}[${nth}]`, faults);
    for (const [nth, port] of ports.entries())
      checkPort(port, ports.length > 1, `${at}.ports[${nth}]`, faults);
  }
}

function checkAddress({ ip = '', hostname, nodeName }: Partial<Address>, at: string, faults: Faults): void {
  checkIp(ip, `${at}.ip`, faults);
  if (hostname) faults.invalidFor(`${at}.hostname`, hostname, dnsLabelFaults(hostname));
  if (nodeName !== undefined) faults.invalidFor(`${at}.nodeName`, nodeName, dnsSubdomainFaults(nodeName));
  faults.invalidFor(`${at}.ip`, ip, specialAddressFaults(ip));
}

function checkPort(
  { name, port = 0, protocol, appProtocol }: Partial<SubsetPort>,
  isNamed: boolean,
  at: string,
  faults: Faults,
): void {
  if (name) faults.invalidFor(`${at}.name`, name, dnsLabelFaults(name));
  else if (isNamed) faults.required(`${at}.name`);
  faults.invalidFor(`${at}.port`, port, portNumberFaults(port));
  faults.oneOf(`${at}.protocol`, protocol, PROTOCOLS);
  if (appProtocol !== undefined)
    faults.invalidFor(`${at}.appProtocol`, appProtocol, qualifiedNameFaults(appProtocol));
}

export function checkEndpointSlice(slice: EndpointSlice, faults: Faults): void {
  faults.oneOf('addressType', slice.addressType, ADDRESS_TYPES);
  checkSlicePorts(slice.ports ?? [], faults);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_ENDPOINTS) faults.tooMany('endpoints', endpoints.length, MAX_ENDPOINTS);
  else
    for (const [index, endpoint] of endpoints.entries())
      checkEndpoint(endpoint, slice.addressType, `endpoints[${index}]`, faults);
}

/** Numbers are not looked at: a port may also be none, which stands for all. */
function checkSlicePorts(ports: SlicePort[], faults: Faults): void {
  if (ports.length > MAX_PORTS) {
    faults.tooMany('ports', ports.length, MAX_PORTS);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name = '', protocol, appProtocol }] of ports.entries()) {
    const at = `ports[${index}]`;
    if (name) faults.invalidFor(`${at}.name`, name, dnsLabelFaults(name));
    if (names.has(name)) faults.duplicate(`${at}.name`, name);
    names.add(name);
    faults.oneOf(`${at}.protocol`, protocol, PROTOCOLS);
    if (appProtocol !== undefined)
      faults.invalidFor(`${at}.appProtocol`, appProtocol, qualifiedNameFaults(appProtocol));
  }
}

function checkEndpoint(
  { addresses = [], hostname, nodeName, deprecatedTopology = {}, hints }: Partial<Endpoint>,
  type: string,
  at: string,
  faults: Faults,
): void {
  if (addresses.length === 0) faults.required(`${at}.addresses`, 'must contain at least 1 address');
  else if (addresses.length > MAX_ADDRESSES)
    faults.tooMany(`${at}.addresses`, addresses.length, MAX_ADDRESSES);
  for (const [nth, address] of addresses.entries())
    checkSliceAddress(type, address, `${at}.addresses[${nth}]`, faults);
  if (nodeName !== undefined) faults.invalidFor(`${at}.nodeName`, nodeName, dnsSubdomainFaults(nodeName));
  const labels = Object.keys(deprecatedTopology).length;
  if (labels > MAX_TOPOLOGY_LABELS) faults.tooMany(`${at}.deprecatedTopology`, labels, MAX_TOPOLOGY_LABELS);
  checkLabels(deprecatedTopology, `${at}.deprecatedTopology`, faults);
  if (hostname !== undefined) faults.invalidFor(`${at}.hostname`, hostname, dnsLabelFaults(hostname));
  const { forZones = [], forNodes = [] } = hints ?? {};
  checkHints(forZones, labelValueFaults, `${at}.hints.forZones`, faults);
  checkHints(forNodes, dnsSubdomainFaults, `${at}.hints.forNodes`, faults);
}

/** For whom an endpoint is meant. */
function checkHints(
  hints: { name: string }[],
  rule: (name: string) => readonly string[],
  field: string,
  faults: Faults,
): void {
  if (hints.length > MAX_HINTS) {
    faults.tooMany(field, hints.length, MAX_HINTS);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name = '' }] of (hints as { name?: string }[]).entries()) {
    if (names.has(name)) faults.duplicate(`${field}[${index}].name`, name);
    names.add(name);
    faults.invalidFor(`${field}[${index}].name`, name, rule(name));
  }
}

function checkSliceAddress(type: string, address: string, field: string, faults: Faults): void {
  if (type === 'FQDN') {
    checkDomainName(address, field, faults);
    return;
  }
  const family = parseAddress(address)?.family;
  if (family === undefined) faults.invalid(field, address, IP_RULE);
  else if (type === 'IPv4' && family !== 4) faults.invalid(field, address, 'must be an IPv4 address');
  else if (type === 'IPv6' && family !== 6) faults.invalid(field, address, 'must be an IPv6 address');
  faults.invalidFor(field, address, specialAddressFaults(address));
}

/** A whole name, with or without the dot at its end. */
function checkDomainName(text: string, field: string, faults: Faults): void {
  if (!text) {
    faults.required(field);
    return;
  }
  const name = text.replace(/\.$/, '');
  const details = dnsSubdomainFaults(name);
  const labels = name.split('.');
  if (details.length > 0) faults.invalid(field, name, details.join(','));
  else if (labels.length < 2)
    faults.invalid(field, name, 'should be a domain with at least two segments separated by dots');
  else {
    const wrong = labels.find((label) => dnsLabelFaults(label).length > 0);
    if (wrong !== undefined) faults.invalid(field, wrong, dnsLabelFaults(wrong).join(','));
  }
}
