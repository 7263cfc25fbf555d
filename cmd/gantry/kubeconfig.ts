import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { pathsOf } from './paths.ts';
import { hostOf, isNamedBy } from './server-url.ts';

export interface KubeconfigFlags {
  dataDir: string;
  /** Instead of this machine's own server. */
  server?: string;
}

/** `gantry kubeconfig`: to be saved or used as `KUBECONFIG=<(gantry kubeconfig)`. */
export async function kubeconfig({ dataDir, server }: KubeconfigFlags): Promise<number> {
  const { adminKubeconfig: path, pki } = pathsOf(dataDir);
  if (!existsSync(path)) throw new Error(`${path} does not exist: start the cluster with "gantry up"`);
  const text = readFileSync(path, 'utf8');
  if (server) requireNamed(readFileSync(join(pki, 'server.crt'), 'utf8'), server);
  process.stdout.write(server ? kubeconfigFor(text, server) : text);
  return 0;
}

/** The same kubeconfig for another address of the servers. */
export function kubeconfigFor(text: string, server: string): string {
  const document = parseDocument(text);
  document.setIn(['clusters', 0, 'cluster', 'server'], server);
  return document.toString({ lineWidth: 0 });
}

/** Throws when clients would not believe that a server with this certificate (PEM) is at `url`. */
export function requireNamed(certificate: string, url: string): void {
  const host = hostOf(url);
  if (!isNamedBy(certificate, host))
    throw new Error(
      `no client would believe a server at ${url}, for its certificate does not name ${host}: start the servers with --tls-san ${host}`,
    );
}
