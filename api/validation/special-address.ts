/** Addresses that are no other host's. Source: Kubernetes apimachinery validation, "non special IP". */
import { type Address, type Cidr, cidrContains, parseAddress, parseCidr } from '#machinery/values/cidr.ts';

interface SpecialRange {
  cidrs: readonly Cidr[];
  /** With %s for the address as it was given. */
  fault: string;
}

function range(fault: string, ...cidrs: string[]): SpecialRange {
  return { fault, cidrs: cidrs.map((text) => parseCidr(text)!) };
}

const RANGES: readonly SpecialRange[] = [
  range('may not be unspecified (%s)', '0.0.0.0/32', '::/128'),
  range('may not be in the loopback range (127.0.0.0/8, ::1/128)', '127.0.0.0/8', '::1/128'),
  range('may not be in the link-local range (169.254.0.0/16, fe80::/10)', '169.254.0.0/16', 'fe80::/10'),
  range(
    'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    '224.0.0.0/24',
    'ff02::/16',
  ),
];

/** ::ffff:a.b.c.d reaches a.b.c.d. */
const MAPPED = parseCidr('::ffff:0:0/96')!;

/**
 * Why traffic must not be sent to an address on somebody's word: it means the sender itself, or what only its own link
 * may talk to (a cloud's metadata server). Empty for the others and for what is no address.
 */
export function specialAddressFaults(text: string): readonly string[] {
  const address = parseAddress(text);
  if (!address) return [];
  const plain: Address = cidrContains(MAPPED, address)
    ? { family: 4, value: address.value & 0xffffffffn }
    : address;
  return RANGES.filter(({ cidrs }) => cidrs.some((cidr) => cidrContains(cidr, plain))).map(({ fault }) =>
    fault.replace('%s', text),
  );
}
