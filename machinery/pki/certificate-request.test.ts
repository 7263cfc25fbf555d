import { expect, test } from 'vitest';
import { readCertificateRequest } from './certificate-request.ts';
import { pemBlocks } from './pem.ts';
import { makeCertificateRequest } from './request.ts';
import { makeSigningKey, signingKeyOf } from './signing-key.ts';

/** All made with `openssl req -new`. */
const REQUESTS: Record<string, string> = {
  ecdsa: `-----BEGIN CERTIFICATE REQUEST-----
MIHMMHQCAQAwEjEQMA4GA1UEAwwHw6ksIOWQjTBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABO8ptGZDhYXRr7OMivhAJvlu5VzlJ6bEndyfJepJmZImNOsqDSEj1FR4
GxEEi/4OW6Gq6clYiypNVqbDg3b9qa+gADAKBggqhkjOPQQDBANIADBFAiEA5F85
CF4ZINXXQDfIyZU5qL25xNSxooppJh0YmpT2m4cCICICOT8c79VFoHfGaws5PLjP
pxL1F1tiSTgXxlc/ASFH
-----END CERTIFICATE REQUEST-----
`,
  ed25519: `-----BEGIN CERTIFICATE REQUEST-----
MIGNMEECAQAwDjEMMAoGA1UEAwwDYm9iMCowBQYDK2VwAyEALoSRJuy1bIBtuPxp
bUq4x+dCgP/M3cajIyYjFw/W2UWgADAFBgMrZXADQQCWIY4c9vf60BjADR69LKUg
L0wJ7oCW/LEgp//IMQhQM99iE+TuE08aSB0pEwQ+dUahp2Snzj06uNY+1yyzkkAA
-----END CERTIFICATE REQUEST-----
`,
  rsa: `-----BEGIN CERTIFICATE REQUEST-----
MIICbzCCAVcCAQAwKjEMMAoGA1UECgwDZGV2MQwwCgYDVQQKDANvcHMxDDAKBgNV
BAMMA2FubjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBANd3QFp6+4P4
wMU29YkMLoVnPSNFcDZLabYGWWo6WQ+hvsy0aBb+kZOSB7Mh0EiDfkZlbr20DLkS
9pgHMZ5co/oGSxv+EOLYEB5wYRnYVmKUR2Jf20DJ1zbhgY8MyQkq/YRwB+bchYOp
NWnGxiPaAUdR6x9zzH1ve+gMzkyIV9Xw+Y2GjJjAhiwuuyRaBZlome1gWIVIBXeX
ekclvF90ayrjqgt9Kr+KRyoI3VtNNrcNgRwRrQTeYG2XDoSZNAOVh5LOI1hABoy2
DuknI6y/OnWtrmapEY8QrI0em1wM1GDbmyWoLd7NPWptsIp9JllUxSiw+qwOD23M
DABl8EgVTJsCAwEAAaAAMA0GCSqGSIb3DQEBCwUAA4IBAQA7GxJKTUFEUR7tsyfs
4xA0ISSjZqG/xW+0M53V9Cg2r0Xpvxcv2IZtk/L5XYtLsn2P1W6iBcIrfI2SRZXj
ABb6V91HaFTVEAYbSE/Ml+oTpDT4Y355D7ar6pnqOuc1Ndc7YmUY9IEjL9zCy/ub
MKxYonnXkXxaSmSb8wMVgDSZ9AOqMfft3Z3WUfZiqzXMGNnPNtWuO3rnu98oO1Mp
6WdEac9m8mDxzsS7ZJSEd/+GwUdectFa3nvc7H1FxKoB5u6kcsg1CdoyJ9qwrogc
X+JdeiHqIVydkojXXdBN3je35A89YGOHznUE8gCW3r/EmjY2XJWsnn29P/ASp5xd
fn3r
-----END CERTIFICATE REQUEST-----
`,
  'rsa-pss': `-----BEGIN CERTIFICATE REQUEST-----
MIIChjCCATkCAQAwDjEMMAoGA1UEAwwDcHNzMIIBIDALBgkqhkiG9w0BAQoDggEP
ADCCAQoCggEBAIjjDL3A9fRunfw7R0OKftjCcrYiQz7gaDHiqEJrBeOMzKhoTiio
YVG9WYHNcAENUHnpvDHrv1mO6zB2Ygu7+T371kFelhSTSJXc+uWlO9bnbO1K0/BR
ickVPhUe+RYiI9SBfgZvBSgcaBB1FVlRskFhyg7keQOR3xAtBAUwiu1QUOJo7y+f
3so6EJMPrbGTS7s4NmpVnEP7dAGrtZVnSnoSB3I2XvS3nwwHRZTPt5xksXFW6Se6
kNkOb6WVpsBVoqHbNdRWC7QGW27kA45sR2t4j9VLWr9bNy6FD/mKgLI6skSx+3R5
ZG5wU1VPGuQIgCOxzt3JlMMqA/y4IlibuR0CAwEAAaAAMEIGCSqGSIb3DQEBCjA1
oA8wDQYJYIZIAWUDBAIBBQChHDAaBgkqhkiG9w0BAQgwDQYJYIZIAWUDBAIBBQCi
BAICAN4DggEBAAE4gpCVv8T7bcLZ/9clSRAWvra9K/jZ4OmOnu3OFMQJQkaXmJjD
r+Cf12nMDQR71WpU/2a4VbMsFJaDhAbVHz4GwY66ODK5JA70h4r8CnBqKLt8TvWn
V3GarCXlXPmdULUdkFmu2qYpAYOmSzVUnuBHMtykBmGXz+3GApeFkStMzTvJyyZ9
miQHx3AzVnaj1pLQNctyMlwBlRWs+74yltRuJMju6T7NYGCCykEMRqATVL0vG6Zs
l3xs/TwX4jRGdb6/O2FbvKTENcbUVqkgQ3xvVL+LIUMnqvSUPi+imlNiL80DU5KK
s7L2esrBKopd0Oker3Mgpn8M/dBzSvLK8tU=
-----END CERTIFICATE REQUEST-----
`,
};

test.each([
  ['ecdsa', { commonName: 'é, 名', organizations: [] }],
  ['ed25519', { commonName: 'bob', organizations: [] }],
  ['rsa', { commonName: 'ann', organizations: ['dev', 'ops'] }],
  ['rsa-pss', { commonName: 'pss', organizations: [] }],
])('a request signed with %s is read', (name, expected) => {
  expect(readCertificateRequest(`Comment before.\r\n${REQUESTS[name]}after`)).toMatchObject(expected);
});

const derOf = (name: string) => Buffer.from(pemBlocks(REQUESTS[name]!)[0]!.der);
const pemOf = (der: Buffer, label = 'CERTIFICATE REQUEST') =>
  `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;

/** The request with one byte changed, counted from its end. */
function spoiled(name: string, fromEnd: number): string {
  const der = derOf(name);
  der[der.length - fromEnd]! ^= 1;
  return pemOf(der);
}

/** Byte for byte `from` replaced by `to`. */
function replaced(name: string, from: string, to: string): string {
  const der = derOf(name);
  const at = der.indexOf(Buffer.from(from, 'hex'));
  expect(at).toBeGreaterThan(0);
  Buffer.from(to, 'hex').copy(der, at);
  return pemOf(der);
}

test.each([
  ['nothing', '', 'PEM block type must be CERTIFICATE REQUEST'],
  ['a certificate', pemOf(derOf('rsa'), 'CERTIFICATE'), 'PEM block type must be CERTIFICATE REQUEST'],
  ['a block that ends early', REQUESTS.rsa!.slice(0, 200), 'PEM block type must be CERTIFICATE REQUEST'],
  ['a signature of other data by RSA', spoiled('rsa', 8), 'crypto/rsa: verification error'],
  ['one by RSASSA-PSS', spoiled('rsa-pss', 8), 'crypto/rsa: verification error'],
  ['one by ECDSA', spoiled('ecdsa', 8), 'x509: ECDSA verification failure'],
  ['one by Ed25519', spoiled('ed25519', 8), 'x509: Ed25519 verification failure'],
  ['half a request', pemOf(derOf('rsa').subarray(0, 200)), 'asn1: syntax error: data truncated'],
  [
    'more than a request',
    pemOf(Buffer.concat([derOf('rsa'), Buffer.from([5, 0])])),
    'asn1: syntax error: trailing data',
  ],
  ['no sequence', pemOf(Buffer.from([2, 1, 0])), "asn1: structure error: tags don't match (16 vs 2)"],
  ['an empty sequence', pemOf(Buffer.from([0x30, 0])), 'asn1: syntax error: sequence truncated'],
  ['an endless length', pemOf(Buffer.from([0x30, 0x80])), 'asn1: structure error: length too large'],
  ['half a length', pemOf(Buffer.from([0x30, 0x82, 1])), 'asn1: syntax error: truncated length'],
  [
    'an unknown algorithm',
    replaced('rsa', '06092a864886f70d01010b', '06092a864886f70d010104'),
    'x509: cannot verify signature: algorithm unimplemented',
  ],
  [
    'an algorithm of another sort of key',
    replaced('ecdsa', '06082a8648ce3d040304', '06032b65700503000000'),
    'x509: signature algorithm specifies an ed25519 public key, but have public key of type ec',
  ],
  [
    'a key of no known sort',
    replaced('ed25519', '06032b6570032100', '06032b6502032100'),
    'x509: unknown public key algorithm',
  ],
])('%s is refused', (_what, pem, message) => {
  expect(() => readCertificateRequest(pem)).toThrow(message);
});

test('blocks with headers are told, and what is no base64 is passed over', () => {
  const body = derOf('ed25519').toString('base64');
  const block = (label: string, inside: string) =>
    `-----BEGIN ${label}-----\n${inside}\n-----END ${label}-----\n`;
  const text = block('A', `Proc-Type: 4,ENCRYPTED\n\n${body}`) + block('B', '***') + block('C', body);
  expect(pemBlocks(text).map(({ label, hasHeaders }) => ({ label, hasHeaders }))).toEqual([
    { label: 'A', hasHeaders: true },
    { label: 'C', hasHeaders: false },
  ]);
});

test('the key is known by its hash, as certificates of it are', async () => {
  const key = makeSigningKey();
  const pem = await makeCertificateRequest(key, { commonName: 'jane', organizations: ['dev'] });
  expect(readCertificateRequest(pem)).toMatchObject({
    commonName: 'jane',
    organizations: ['dev'],
    keyHash: Buffer.from(signingKeyOf(key).id, 'base64url').toString('hex'),
  });
});
