import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseDocument } from 'yaml';
import { pathsOf } from '../paths.ts';
import { virtualUrl } from '../virtual-address/record.ts';
import { hostOf, isNamedBy } from './server-url.ts';

export interface KubeconfigFlags {
  dataDir: string;
  /** Instead of the virtual address, or else this machine's own server. */
  server?: string;
}

/** `gantry kubeconfig`: to be saved or used as `KUBECONFIG=<(gantry kubeconfig)`. */
export async function kubeconfig({ dataDir, server }: KubeconfigFlags): Promise<number> {
  const paths = pathsOf(dataDir);
  const { adminKubeconfig: path, pki } = paths;
  if (!existsSync(path)) throw new Error(`${path} does not exist: start the cluster with "gantry up"`);
  const text = readFileSync(path, 'utf8');
  const url = server ?? virtualUrl(paths, serverOf(text));
  if (url) requireNamed(readFileSync(join(pki, 'server.crt'), 'utf8'), url);
  process.stdout.write(url ? kubeconfigFor(text, url) : text);
  return 0;
}

/** The URL of a kubeconfig's one cluster. */
export function serverOf(kubeconfig: string): string {
  return (parse(kubeconfig) as { clusters: { cluster: { server: string } }[] }).clusters[0]!.cluster.server;
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
