/** Endpoints and EndpointSlices. Source: Kubernetes API reference, Endpoints, EndpointSlice. */
import { parseAddress } from '#machinery/values/cidr.ts';
import type { EndpointSlice, Endpoints } from '../objects.ts';
import { PROTOCOLS } from './container.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, dnsSubdomainFaults, portNumberFaults } from './names.ts';
import { checkIp, IP_RULE } from './pod-spec.ts';
import { specialAddressFaults } from './special-address.ts';

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;

export function checkEndpoints(endpoints: Endpoints, faults: Faults): void {
  for (const [index, subset] of (endpoints.subsets ?? []).entries()) {
    const at = `subsets[${index}]`;
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (addresses.length + notReadyAddresses.length === 0) {
      faults.required(at, 'must specify `addresses` or `notReadyAddresses`');
    }
    for (const [part, list] of Object.entries({ addresses, notReadyAddresses })) {
      for (const [nth, { ip }] of list.entries()) {
        checkIp(ip, `${at}.${part}[${nth}].ip`, faults);
        faults.invalidFor(`${at}.${part}[${nth}].ip`, ip, specialAddressFaults(ip));
      }
    }
    for (const [nth, port] of ports.entries()) {
      if (!port.name && ports.length > 1) faults.required(`${at}.ports[${nth}].name`);
      else if (port.name) faults.invalidFor(`${at}.ports[${nth}].name`, port.name, dnsLabelFaults(port.name));
      faults.invalidFor(`${at}.ports[${nth}].port`, port.port, portNumberFaults(port.port));
      faults.oneOf(`${at}.ports[${nth}].protocol`, port.protocol, PROTOCOLS);
    }
  }
}

export function checkEndpointSlice(slice: EndpointSlice, faults: Faults): void {
  faults.oneOf('addressType', slice.addressType, ADDRESS_TYPES);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_ENDPOINTS) faults.tooMany('endpoints', endpoints.length, MAX_ENDPOINTS);
  for (const [index, { addresses = [], hostname }] of endpoints.entries()) {
    const at = `endpoints[${index}]`;
    if (addresses.length === 0) faults.required(`${at}.addresses`, 'must contain at least 1 address');
    else if (addresses.length > MAX_ADDRESSES)
      faults.tooMany(`${at}.addresses`, addresses.length, MAX_ADDRESSES);
    for (const [nth, address] of addresses.entries()) {
      checkAddress(slice.addressType, address, `${at}.addresses[${nth}]`, faults);
    }
    if (hostname !== undefined) faults.invalidFor(`${at}.hostname`, hostname, dnsLabelFaults(hostname));
  }
  const ports = slice.ports ?? [];
  if (ports.length > MAX_PORTS) faults.tooMany('ports', ports.length, MAX_PORTS);
  const names = new Set<string>();
  for (const [index, { name = '', port, protocol }] of ports.entries()) {
    if (name) faults.invalidFor(`ports[${index}].name`, name, dnsLabelFaults(name));
    if (names.has(name)) faults.duplicate(`ports[${index}].name`, name);
    names.add(name);
    if (port !== undefined) faults.invalidFor(`ports[${index}].port`, port, portNumberFaults(port));
    faults.oneOf(`ports[${index}].protocol`, protocol, PROTOCOLS);
  }
}

function checkAddress(type: string, address: string, field: string, faults: Faults): void {
  if (type === 'FQDN') {
    faults.invalidFor(field, address, dnsSubdomainFaults(address));
    return;
  }
  const family = parseAddress(address)?.family;
  if (family === undefined) faults.invalid(field, address, IP_RULE);
  else if (type === 'IPv4' && family !== 4) faults.invalid(field, address, 'must be an IPv4 address');
  else if (type === 'IPv6' && family !== 6) faults.invalid(field, address, 'must be an IPv6 address');
  else faults.invalidFor(field, address, specialAddressFaults(address));
}
