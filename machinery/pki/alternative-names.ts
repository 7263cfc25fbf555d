/** The subjectAltName extension that a certificate request asks for. Source: RFC 2985 5.4.2, RFC 5280 4.2.1.6. */
import { addressOfBytes, formatAddress } from '../values/cidr.ts';
import {
  type DerElement,
  DerError,
  elementsOf,
  expectTag,
  objectIdentifierOf,
  onlyElement,
  TAG,
} from './der.ts';

export interface AlternativeNames {
  dnsNames: string[];
  /** As text, IPv6 in short form. */
  addresses: string[];
  emailAddresses: string[];
  uris: string[];
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** Context-specific tags of GeneralName. Names of other forms are passed over, as Go does. */
const NAME = { email: 0x81, dns: 0x82, uri: 0x86, address: 0x87 } as const;

/** Of the `[0]` attributes of a request; none when they are left out. Throws DerError. */
export function requestedNames(attributes: DerElement | undefined): AlternativeNames {
  const names: AlternativeNames = { dnsNames: [], addresses: [], emailAddresses: [], uris: [] };
  if (attributes?.tag !== TAG.context0) return names;
  for (const attribute of elementsOf(attributes.content)) {
    const [type, values] = elementsOf(expectTag(attribute, TAG.sequence).content);
    if (objectIdentifierOf(type) !== EXTENSION_REQUEST) continue;
    const extensions = onlyElement(expectTag(values, TAG.set).content, TAG.sequence);
    for (const extension of elementsOf(extensions.content)) readExtension(extension, names);
  }
  return names;
}

function readExtension(extension: DerElement, names: AlternativeNames): void {
  const [id, ...rest] = elementsOf(expectTag(extension, TAG.sequence).content);
  if (objectIdentifierOf(id) !== SUBJECT_ALTERNATIVE_NAME) return;
  const value = expectTag(rest[0]?.tag === TAG.boolean ? rest[1] : rest[0], TAG.octetString);
  for (const { tag, content } of elementsOf(onlyElement(value.content, TAG.sequence).content)) {
    if (tag === NAME.email) names.emailAddresses.push(asciiOf(content));
    else if (tag === NAME.dns) names.dnsNames.push(asciiOf(content));
    else if (tag === NAME.uri) names.uris.push(asciiOf(content));
    else if (tag === NAME.address) names.addresses.push(addressOf(content));
  }
}

function asciiOf(content: Buffer): string {
  if (content.some((byte) => byte > 0x7f)) throw new DerError('asn1: syntax error: invalid IA5String');
  return content.toString('latin1');
}

function addressOf(content: Buffer): string {
  if (content.length !== 4 && content.length !== 16)
    throw new DerError(`x509: cannot parse IP address of length ${content.length}`);
  return formatAddress(addressOfBytes(content));
}
