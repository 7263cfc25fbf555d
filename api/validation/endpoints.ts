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

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;
const MAX_TOPOLOGY = 16;
const MAX_HINTS = 8;

export function checkEndpoints(endpoints: Endpoints, faults: Faults): void {
  for (const [index, subset] of (endpoints.subsets ?? []).entries()) {
    const at = `subsets[${index}]`;
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (addresses.length + notReadyAddresses.length === 0) {
      faults.required(at, 'must specify `addresses` or `notReadyAddresses`');
    }
    for (const [part, list] of Object.entries({ addresses, notReadyAddresses }))
      for (const [nth, address] of list.entries()) checkPoint(address, `${at}.${part}[${nth}]`, faults);
    for (const [nth, port] of ports.entries()) {
      if (!port.name && ports.length > 1) faults.required(`${at}.ports[${nth}].name`);
      else if (port.name) faults.invalidFor(`${at}.ports[${nth}].name`, port.name, dnsLabelFaults(port.name));
      faults.invalidFor(`${at}.ports[${nth}].port`, port.port, portNumberFaults(port.port));
      faults.oneOf(`${at}.ports[${nth}].protocol`, port.protocol, PROTOCOLS);
      checkAppProtocol(port.appProtocol, `${at}.ports[${nth}].appProtocol`, faults);
    }
  }
}

type Subset = NonNullable<Endpoints['subsets']>[number];

function checkPoint(address: NonNullable<Subset['addresses']>[number], at: string, faults: Faults): void {
  const { ip, hostname, nodeName } = address;
  checkIp(ip, `${at}.ip`, faults);
  if (hostname) faults.invalidFor(`${at}.hostname`, hostname, dnsLabelFaults(hostname));
  if (nodeName !== undefined) faults.invalidFor(`${at}.nodeName`, nodeName, dnsSubdomainFaults(nodeName));
  faults.invalidFor(`${at}.ip`, ip, specialAddressFaults(ip ?? ''));
}

function checkAppProtocol(protocol: string | undefined, field: string, faults: Faults): void {
  if (protocol !== undefined) faults.invalidFor(field, protocol, qualifiedNameFaults(protocol));
}

export function checkEndpointSlice(slice: EndpointSlice, faults: Faults): void {
  faults.oneOf('addressType', slice.addressType, ADDRESS_TYPES);
  const { endpoints = [], ports = [] } = slice;
  if (endpoints.length > MAX_ENDPOINTS) faults.tooMany('endpoints', endpoints.length, MAX_ENDPOINTS);
  else
    for (const [index, endpoint] of endpoints.entries())
      checkEndpoint(endpoint, slice.addressType, `endpoints[${index}]`, faults);
  if (ports.length > MAX_PORTS) {
    faults.tooMany('ports', ports.length, MAX_PORTS);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name = '', port, protocol, appProtocol }] of ports.entries()) {
    if (name) faults.invalidFor(`ports[${index}].name`, name, dnsLabelFaults(name));
    if (names.has(name)) faults.duplicate(`ports[${index}].name`, name);
    names.add(name);
    if (port !== undefined) faults.invalidFor(`ports[${index}].port`, port, portNumberFaults(port));
    faults.oneOf(`ports[${index}].protocol`, protocol, PROTOCOLS);
    checkAppProtocol(appProtocol, `ports[${index}].appProtocol`, faults);
  }
}

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

function checkEndpoint(endpoint: Endpoint, type: string, at: string, faults: Faults): void {
  const { addresses = [], nodeName, deprecatedTopology = {}, hostname, hints } = endpoint;
  if (addresses.length === 0) faults.required(`${at}.addresses`, 'must contain at least 1 address');
  else if (addresses.length > MAX_ADDRESSES)
    faults.tooMany(`${at}.addresses`, addresses.length, MAX_ADDRESSES);
  for (const [nth, address] of addresses.entries())
    checkAddress(type, address, `${at}.addresses[${nth}]`, faults);
  if (nodeName !== undefined) faults.invalidFor(`${at}.nodeName`, nodeName, dnsSubdomainFaults(nodeName));
  const topology = Object.keys(deprecatedTopology).length;
  if (topology > MAX_TOPOLOGY) faults.tooMany(`${at}.deprecatedTopology`, topology, MAX_TOPOLOGY);
  checkLabels(deprecatedTopology, `${at}.deprecatedTopology`, faults);
  if (hostname !== undefined) faults.invalidFor(`${at}.hostname`, hostname, dnsLabelFaults(hostname));
  checkHints(hints?.forZones, labelValueFaults, `${at}.hints.forZones`, faults);
  checkHints(hints?.forNodes, dnsSubdomainFaults, `${at}.hints.forNodes`, faults);
}

/** For whom an endpoint is meant: each once, and few. */
function checkHints(
  hints: { name?: string }[] | undefined,
  rule: (name: string) => readonly string[],
  field: string,
  faults: Faults,
): void {
  if (hints && hints.length > MAX_HINTS) {
    faults.tooMany(field, hints.length, MAX_HINTS);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name = '' }] of (hints ?? []).entries()) {
    if (names.has(name)) faults.duplicate(`${field}[${index}].name`, name);
    names.add(name);
    faults.invalidFor(`${field}[${index}].name`, name, rule(name));
  }
}

function checkAddress(type: string, address: string, field: string, faults: Faults): void {
  if (type === 'FQDN') {
    checkDomain(address, field, faults);
    return;
  }
  const family = parseAddress(address)?.family;
  if (family === undefined) faults.invalid(field, address, IP_RULE);
  else if (type === 'IPv4' && family !== 4) faults.invalid(field, address, 'must be an IPv4 address');
  else if (type === 'IPv6' && family !== 6) faults.invalid(field, address, 'must be an IPv6 address');
  else faults.invalidFor(field, address, specialAddressFaults(address));
}

/** A whole domain name, with or without the dot at its end. */
function checkDomain(address: string, field: string, faults: Faults): void {
  if (!address) {
    faults.required(field);
    return;
  }
  const name = address.replace(/\.$/, '');
  const details = dnsSubdomainFaults(name);
  if (details.length > 0) {
    faults.invalid(field, name, details.join(','));
    return;
  }
  const labels = name.split('.');
  if (labels.length < 2) {
    faults.invalid(field, name, 'should be a domain with at least two segments separated by dots');
    return;
  }
  const wrong = labels.find((label) => dnsLabelFaults(label).length > 0);
  if (wrong !== undefined) faults.invalid(field, wrong, dnsLabelFaults(wrong).join(','));
}
