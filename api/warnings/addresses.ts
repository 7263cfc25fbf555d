/** Addresses that are taken, but not in the form that they should have. Source: Kubernetes apimachinery, validation/ip.go. */
import {
  type Address,
  cidrOf,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';

const BITS = { 4: 32, 6: 128 } as const;
const MAPPED_BITS = 96;

/** ::ffff:a.b.c.d as a.b.c.d; undefined for other addresses. */
function unmapped({ family, value }: Address): Address | undefined {
  return family === 6 && value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : undefined;
}

export function addressWarnings(field: string, text: string): string[] {
  const address = parseAddress(text);
  if (!address) return [];
  const plain = unmapped(address);
  if (plain)
    return [
      `${field}: non-standard IP address ${JSON.stringify(text)} will be considered invalid in a future Kubernetes release: use ${JSON.stringify(formatAddress(plain))}`,
    ];
  const canonical = formatAddress(address);
  if (address.family === 4 || canonical === text) return [];
  return [
    `${field}: IPv6 address ${JSON.stringify(text)} should be in RFC 5952 canonical format (${JSON.stringify(canonical)})`,
  ];
}

export function cidrWarnings(field: string, text: string): string[] {
  const cidr = parseCidr(text);
  const address = cidr && parseAddress(text.slice(0, text.indexOf('/')));
  if (!cidr || !address) return [];
  const plain = unmapped(address);
  const isMapped = plain !== undefined && cidr.prefix >= MAPPED_BITS;
  const canonical = formatCidr(isMapped ? cidrOf(plain, cidr.prefix - MAPPED_BITS) : cidr);
  const warnings: string[] = [];
  if (cidr.base !== address.value) {
    const single = `${formatAddress(plain ?? address)}/${BITS[(plain ?? address).family]}`;
    warnings.push(
      `${field}: CIDR value ${JSON.stringify(text)} is ambiguous in this context (should be ${JSON.stringify(canonical)} or ${JSON.stringify(single)}?)`,
    );
  }
  if (isMapped)
    warnings.push(
      `${field}: non-standard CIDR value ${JSON.stringify(text)} will be considered invalid in a future Kubernetes release: use ${JSON.stringify(canonical)}`,
    );
  if (warnings.length === 0 && cidr.family === 6 && canonical !== text)
    warnings.push(
      `${field}: IPv6 CIDR value ${JSON.stringify(text)} should be in RFC 5952 canonical format (${JSON.stringify(canonical)})`,
    );
  return warnings;
}
