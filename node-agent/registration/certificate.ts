import { createHash } from 'node:crypto';
import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { type Clock, rfc3339, sleep } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { type KeyAndCertificate, validityOf } from '#machinery/pki/certificate.ts';
import { keepRenewed, renewalTime } from '#machinery/pki/renewal.ts';
import { makeSigningKey, signingKeyOf } from '#machinery/pki/signing-key.ts';
import type { Random } from '#machinery/random.ts';

const SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2_000;
/** After so long somebody may want to know what is waited for. */
const TELL_AFTER_MS = 5_000;

/** The server will not give this node the certificate it asked for. */
export class CertificateRefusedError extends Error {
  override readonly name = 'CertificateRefusedError';
}

export interface CertificateDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Who a node's agent is. Source: Kubernetes, "Node Authorization". */
export function nodeSubject(nodeName: string): { commonName: string; organizations: string[] } {
  return { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
}

/** How a request for this key is called: asking again finds what was asked before. */
export function requestName(key: string): string {
  return `node-csr-${createHash('sha256').update(signingKeyOf(key).id).digest('hex').slice(0, 32)}`;
}

/**
 * A client certificate for the agent of `nodeName` and its `key` (PKCS #8 PEM), once it is approved and signed. Throws
 * CertificateRefusedError when it is denied, or the signer cannot; waits for ever for neither.
 */
export async function requestCertificate(
  key: string,
  nodeName: string,
  { client, clock, log, signal }: CertificateDeps,
): Promise<string> {
  const name = requestName(key);
  const { makeCertificateRequest } = await import('#machinery/pki/request.ts');
  const request = await makeCertificateRequest(key, nodeSubject(nodeName));
  await client
    .create(CertificateSigningRequestKind, requestObject(name, request))
    .catch((error) => passOver(error, 'AlreadyExists'));
  const started = clock.monotonic();
  let told = false;
  for (let delayMs = FIRST_LOOK_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_LOOK_MS)) {
    await sleep(clock, delayMs, signal);
    const asked = await client.get(CertificateSigningRequestKind, { name });
    const certificate = certificateOf(asked);
    if (certificate !== undefined) return certificate;
    if (!told && clock.monotonic() - started > TELL_AFTER_MS) {
      log.info('Waiting for the approval of this node', { approve: `kubectl certificate approve ${name}` });
      told = true;
    }
  }
}

function requestObject(name: string, request: string): CertificateSigningRequest {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: SIGNER,
      usages: ['digital signature', 'client auth'],
    },
  };
}

/** The certificate (PEM), when there is one; throws when there never will be. */
function certificateOf({ metadata, status }: CertificateSigningRequest): string | undefined {
  const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
  if (refusal) {
    const why = refusal.message ?? refusal.reason ?? 'no reason is given';
    throw new CertificateRefusedError(
      `${metadata.name} ${refusal.type === 'Denied' ? 'is denied' : 'failed'}: ${why}`,
    );
  }
  return status?.certificate && Buffer.from(status.certificate, 'base64').toString();
}

function passOver(error: unknown, reason: 'AlreadyExists'): void {
  if (!isStatus(error, reason)) throw error;
}

/** What takes a new pair into use, for good. */
export interface KeepDeps extends CertificateDeps {
  keep(pair: KeyAndCertificate): Promise<void>;
}

/** Has the agent's certificate made anew, with a new key; gives the certificate (PEM). */
export async function renewCertificate(nodeName: string, deps: KeepDeps): Promise<string> {
  const key = makeSigningKey();
  const certificate = await requestCertificate(key, nodeName, deps);
  await deps.keep({ key, certificate });
  const until = rfc3339(validityOf(certificate).untilMs);
  deps.log.info("The node's certificate is renewed", { until });
  return certificate;
}

export interface RenewalDeps extends KeepDeps {
  random: Random;
  /** What is in use now. */
  held(): KeyAndCertificate;
}

/** Renews the agent's certificate, each time with a new key, until the signal aborts. */
export async function keepCertificate(nodeName: string, deps: RenewalDeps): Promise<void> {
  const { clock, log, random, signal } = deps;
  await keepRenewed({
    clock,
    signal,
    dueMs: renewalTime(deps.held().certificate, random),
    renew: async () => renewalTime(await renewCertificate(nodeName, deps), random),
    failed: (error) => log.warn("The node's certificate could not be renewed", { error: messageOf(error) }),
  });
}
