import { expect, test } from 'vitest';
import { requestedNames } from './alternative-names.ts';
import { readCertificateRequest } from './certificate-request.ts';
import { onlyElement, TAG } from './der.ts';
import { makeCertificateRequest } from './request.ts';
import { makeSigningKey } from './signing-key.ts';

/** Made with `openssl req -new`, with a name of every sort, an otherName, and a keyUsage beside. */
const EVERY_SORT = `-----BEGIN CERTIFICATE REQUEST-----
MIIBdzCCARwCAQAwMDEVMBMGA1UECgwMc3lzdGVtOm5vZGVzMRcwFQYDVQQDDA5z
eXN0ZW06bm9kZTpuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNm6P51ReUOG
2Qg2xsigPOCi2KK3FLK1bIzO8BbabCG1o+EL0pTnPf3vA8grH7u1ProD3EzzPQoC
b64HtISJX2aggYkwgYYGCSqGSIb3DQEJDjF5MHcwZQYDVR0RBF4wXIIObjEuZXhh
bXBsZS5jb22HBAoAAAGHECABDbgAAAAAAAAAAAAAAAGBDWFAZXhhbXBsZS5jb22G
FWh0dHBzOi8vZXhhbXBsZS5jb20veKAMBgMqAwSgBQwDb2RkMA4GA1UdDwEB/wQE
AwIHgDAKBggqhkjOPQQDAgNJADBGAiEAvbJj2tWrClXilxD2NIGbKzHjhrHefRQU
kBvEAcUVGnoCIQDJScW+0pr+owSfYTfcA4iiKw7aBOvZ3IaneqrQPuMwdA==
-----END CERTIFICATE REQUEST-----
`;
const NONE = { dnsNames: [], addresses: [], emailAddresses: [], uris: [] };

test('names of every sort are read, and those of sorts that nobody knows passed over', () => {
  expect(readCertificateRequest(EVERY_SORT).alternativeNames).toEqual({
    dnsNames: ['n1.example.com'],
    addresses: ['10.0.0.1', '2001:db8::1'],
    emailAddresses: ['a@example.com'],
    uris: ['https://example.com/x'],
  });
});

test('what we ask for ourselves is read', async () => {
  const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
  const pem = await makeCertificateRequest(makeSigningKey(), subject, ['n1', '192.0.2.1', '::1']);
  expect(readCertificateRequest(pem).alternativeNames).toEqual({
    ...NONE,
    dnsNames: ['n1'],
    addresses: ['192.0.2.1', '::1'],
  });
});

test.each(['2001:db8::1:0:0:1', '::ffff:192.0.2.1', 'fd00::'])(
  '%s is asked for as it is',
  async (address) => {
    const pem = await makeCertificateRequest(makeSigningKey(), { commonName: 'n1' }, [address]);
    expect(readCertificateRequest(pem).alternativeNames).toEqual({ ...NONE, addresses: [address] });
  },
);

const EXTENSION_REQUEST = '06092a864886f70d01090e';
const SUBJECT_ALTERNATIVE_NAME = '0603551d11';
const nest = (tag: string, inside: string) =>
  tag + (inside.length / 2).toString(16).padStart(2, '0') + inside;
/** Attributes that ask for an extension with these GeneralNames. */
function attributes(names: string) {
  const extension = nest('30', SUBJECT_ALTERNATIVE_NAME + nest('04', nest('30', names)));
  const attribute = nest('30', EXTENSION_REQUEST + nest('31', nest('30', extension)));
  return onlyElement(Buffer.from(nest('a0', attribute), 'hex'), TAG.context0);
}

test('no attributes are no names', () => {
  expect(requestedNames(undefined)).toEqual(NONE);
  expect(requestedNames(attributes(''))).toEqual(NONE);
});

test.each([
  ['an address of three bytes', nest('87', '0a0000'), 'x509: cannot parse IP address of length 3'],
  ['a name beyond ASCII', nest('82', 'c3a9'), 'asn1: syntax error: invalid IA5String'],
  ['half a name', '8205', 'asn1: syntax error: data truncated'],
])('%s is refused', (_what, names, message) => {
  expect(() => requestedNames(attributes(names))).toThrow(message);
});
