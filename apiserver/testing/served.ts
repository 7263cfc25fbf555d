import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { type PkiDirectory, pkiDirectory } from '#machinery/pki/directory.ts';
import { kubeconfigYaml } from '#machinery/pki/kubeconfig.ts';
import { signingKeyOf } from '#machinery/pki/signing-key.ts';
import { systemRandom } from '#machinery/random.ts';
import { serviceAccountTokens } from '../authentication/index.ts';
import { startTestServer } from '../fake/server.ts';
import type { ApiServer, ApiServerDeps } from '../server.ts';

/** For tests: the whole server over TLS on loopback with a store in memory, and the real kubectl to ask it. */
export interface Served {
  server: ApiServer;
  port: number;
  authority: KeyAndCertificate;
  /** Signs clients. */
  clientAuthority: KeyAndCertificate;
  /** A client certificate of the cluster. */
  client(name: string, groups: string[]): Promise<KeyAndCertificate>;
  /** Writes a kubeconfig and returns its path. */
  kubeconfig(name: string, credentials: KeyAndCertificate | { token: string }): Promise<string>;
  kubectl(parameters: string[], options?: KubectlOptions): Promise<KubectlAnswer>;
  /** Empty, for caches; removed at the end. */
  home: string;
  stop(): Promise<void>;
}

export interface KubectlOptions {
  /** `1.33` unless given. */
  version?: string;
  /** Path of a kubeconfig; the administrator's unless given. */
  kubeconfig?: string;
  input?: string;
}

export interface KubectlAnswer {
  code: number;
  out: string;
  err: string;
}

export const HOST = '127.0.0.1';
const HOUR_MS = 3_600_000;
const ISSUER = 'https://kubernetes.default.svc';
const folder = existsSync('/usr/bin/kubectl') ? dirname(realpathSync('/usr/bin/kubectl')) : '/none';

/** Where kubectl of a version lies; undefined where the machine has none. */
export function kubectlBinary(version: string): string | undefined {
  const path = join(folder, `kubectl.${version}`);
  return existsSync(path) ? path : undefined;
}

/** `overrides`: parts of the server to be others than a test server's. */
export async function serve(overrides: Partial<ApiServerDeps> = {}): Promise<Served> {
  const home = await mkdtemp(join(tmpdir(), 'gantry-served-'));
  const pki = pkiDirectory('/pki', { files: new MemoryFiles(), clock: systemClock, random: systemRandom });
  const authority = await pki.authority('server-ca', 'server');
  const clientAuthority = await pki.authority('client-ca', 'client');
  const server = await start(pki, clientAuthority, overrides);
  const port = server.addresses[0]!.port;
  const client = (name: string, groups: string[]) =>
    pki.certificate(name.replaceAll(':', '-'), 'client-ca', {
      subject: { commonName: name, organizations: groups },
      usages: ['client'],
      lifetimeMs: HOUR_MS,
    });
  const kubeconfig = async (name: string, credentials: KeyAndCertificate | { token: string }) => {
    const path = join(home, `${name}.kubeconfig`);
    const url = `https://${HOST}:${port}`;
    const certificateAuthority = authority.certificate;
    const yaml = kubeconfigYaml({ name: 'test', server: url, certificateAuthority, user: name, credentials });
    await writeFile(path, yaml, { mode: 0o600 });
    return path;
  };
  const admin = await kubeconfig('admin', await client('admin', ['system:masters']));
  return {
    server,
    port,
    authority,
    clientAuthority,
    client,
    kubeconfig,
    home,
    kubectl: (parameters, options = {}) => kubectl(parameters, { kubeconfig: admin, ...options }, home),
    async stop() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function start(
  pki: PkiDirectory,
  clientAuthority: KeyAndCertificate,
  overrides: Partial<ApiServerDeps>,
): Promise<ApiServer> {
  const serving = await pki.certificate('apiserver', 'server-ca', {
    subject: { commonName: 'apiserver' },
    usages: ['server'],
    subjectAlternativeNames: [HOST],
    lifetimeMs: HOUR_MS,
  });
  const keys = [signingKeyOf((await pki.signingKey('sa', 'tokens')).key)] as const;
  return startTestServer({
    random: systemRandom,
    tokens: (objects) =>
      serviceAccountTokens({
        keys: () => keys,
        issuer: ISSUER,
        audiences: [ISSUER],
        objects,
        clock: systemClock,
        random: systemRandom,
      }),
    tls: {
      certificate: serving.certificate,
      key: serving.key,
      clientAuthority: clientAuthority.certificate,
    },
    listen: [{ host: HOST, port: 0 }],
    ...overrides,
  });
}

function kubectl(
  parameters: string[],
  { version = '1.33', kubeconfig, input = '' }: KubectlOptions,
  home: string,
): Promise<KubectlAnswer> {
  return new Promise((resolve) => {
    const flags = [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(home, 'cache')}`];
    const options = { env: { HOME: home }, timeout: 15_000 };
    const binary = kubectlBinary(version) ?? 'kubectl';
    const child = execFile(binary, [...flags, ...parameters], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, out, err });
    });
    child.stdin!.on('error', () => {}).end(input); // a command that fails does not read it
  });
}
