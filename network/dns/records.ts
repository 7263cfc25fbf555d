import type { EndpointSlice, Pod, Service } from '#api/objects.ts';
import { addressBytes, parseAddress } from '#machinery/values/cidr.ts';
import type { ZoneRecord } from './zone.ts';

/**
 * From objects to DNS records: pure. Source: Kubernetes DNS-Based Service Discovery specification, version 1.1.0.
 */

/** Records of one Service with its own EndpointSlices. Owner in the zone: `service/<namespace>/<name>`. */
export function serviceRecords(
  service: Service,
  slices: readonly EndpointSlice[],
  clusterDomain: string,
): ZoneRecord[] {
  const { spec, metadata } = service;
  const name = `${metadata.name}.${metadata.namespace}.svc.${clusterDomain}`.toLowerCase();
  if (!spec) return [];
  if (spec.type === 'ExternalName') return externalName(name, spec.externalName);
  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => parseAddress(ip));
  return clusterIps.length > 0
    ? virtualAddressRecords(name, clusterIps, service)
    : headlessRecords(name, slices, spec.publishNotReadyAddresses === true);
}

/** Records of one Pod with an address: `10-244-0-5.<namespace>.pod.<domain>`. Owner: `pod/<namespace>/<name>`. */
export function podRecords(pod: Pod, clusterDomain: string): ZoneRecord[] {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed') return [];
  const addresses = pod.status?.podIPs?.flatMap(({ ip }) => ip ?? []) ?? [pod.status?.podIP ?? ''];
  return addresses.flatMap((address) =>
    addressRecord(`${dashed(address)}.${pod.metadata.namespace}.pod.${clusterDomain}`.toLowerCase(), address),
  );
}

/** Records of the zone itself. Owner: `zone`. */
export function domainRecords(clusterDomain: string, serverAddresses: readonly string[]): ZoneRecord[] {
  const server = `ns.dns.${clusterDomain}`;
  return [
    { name: clusterDomain, type: 'NS', data: server },
    { name: `dns-version.${clusterDomain}`, type: 'TXT', data: '1.1.0' },
    ...serverAddresses.flatMap((address) => addressRecord(server, address)),
  ];
}

/** The name a PTR question asks for: `5.0.244.10.in-addr.arpa`, or the nibbles of an IPv6 address. */
function reverseName(address: string): string {
  const parsed = parseAddress(address);
  if (!parsed) throw new RangeError(`${address} is not an address`);
  const bytes = [...addressBytes(parsed)].reverse();
  if (parsed.family === 4) return `${bytes.join('.')}.in-addr.arpa`;
  const nibbles = bytes.flatMap((byte) => [(byte & 15).toString(16), (byte >> 4).toString(16)]);
  return `${nibbles.join('.')}.ip6.arpa`;
}

function externalName(name: string, target: string | undefined): ZoneRecord[] {
  const data = target?.toLowerCase().replace(/\.$/, '');
  if (!data) return [];
  return parseAddress(data) ? addressRecord(name, data) : [{ name, type: 'CNAME', data }];
}

function virtualAddressRecords(name: string, clusterIps: string[], service: Service): ZoneRecord[] {
  const records = clusterIps.flatMap((address): ZoneRecord[] => [
    ...addressRecord(name, address),
    { name: reverseName(address), type: 'PTR', data: name },
  ]);
  for (const port of service.spec?.ports ?? []) {
    if (port.name) records.push(serverRecord(name, port.name, port.protocol, port.port, name));
  }
  return records;
}

function headlessRecords(
  name: string,
  slices: readonly EndpointSlice[],
  includeNotReady: boolean,
): ZoneRecord[] {
  const records = new Map<string, ZoneRecord>();
  const add = (record: ZoneRecord) => records.set(JSON.stringify(record), record);
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const { addresses, hostname, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready === false && !includeNotReady) continue;
      for (const address of addresses) {
        if (!parseAddress(address)) continue;
        const endpoint = `${(hostname || dashed(address)).toLowerCase()}.${name}`;
        for (const record of [...addressRecord(name, address), ...addressRecord(endpoint, address)])
          add(record);
        add({ name: reverseName(address), type: 'PTR', data: endpoint });
        for (const port of slice.ports ?? []) {
          if (port.name && port.port) add(serverRecord(name, port.name, port.protocol, port.port, endpoint));
        }
      }
    }
  }
  return [...records.values()];
}

function serverRecord(
  name: string,
  portName: string,
  protocol: string | undefined,
  port: number,
  target: string,
): ZoneRecord {
  return {
    name: `_${portName}._${(protocol ?? 'TCP').toLowerCase()}.${name}`.toLowerCase(),
    type: 'SRV',
    data: { priority: 0, weight: 100, port, target },
  };
}

function addressRecord(name: string, address: string): ZoneRecord[] {
  const parsed = parseAddress(address);
  return parsed ? [{ name, type: parsed.family === 4 ? 'A' : 'AAAA', data: address }] : [];
}

/** `10.244.0.5` as one label: `10-244-0-5`. */
function dashed(address: string): string {
  return address.replace(/[.:]/g, '-');
}
