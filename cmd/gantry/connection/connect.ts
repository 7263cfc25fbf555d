import { existsSync, readFileSync, statSync } from 'node:fs';
import { parse } from 'yaml';
import type { Client } from '#client/contract.ts';
import { type Http2Transport, http2Transport } from '#client/http2-transport.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { version } from '../assets.ts';
import { pathsOf } from '../paths.ts';
import { serverProxy } from './proxy.ts';
import { learnedServers } from './servers.ts';

interface KubeconfigFile {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
}

/**
 * A client with the admin's kubeconfig of a data directory; closing the transport lets the process end. `others`: URLs of servers that are
 * asked when that of the kubeconfig cannot be reached.
 */
export function connect(
  kubeconfigPath: string,
  others: readonly string[] = [],
): { client: Client; transport: Http2Transport } {
  if (!existsSync(kubeconfigPath)) {
    throw new Error(
      `${kubeconfigPath} does not exist: start the cluster with "gantry up", or name its --data-dir`,
    );
  }
  const config = rereadConfig(kubeconfigPath);
  const decode = (data: string) => Buffer.from(data, 'base64').toString();
  const transport = http2Transport({
    url: () => [config().clusters[0]!.cluster.server, ...others],
    proxy: serverProxy(),
    clock: systemClock,
    ca: () => decode(config().clusters[0]!.cluster['certificate-authority-data']),
    certificate() {
      const { user } = config().users[0]!;
      return { cert: decode(user['client-certificate-data']), key: decode(user['client-key-data']) };
    },
  });
  const client = restClient({ transport, clock: systemClock, userAgent: `gantry/${version}` });
  return { client, transport };
}

/** As it is in its file, which a server writes anew when it gets new certificates. */
function rereadConfig(path: string): () => KubeconfigFile {
  let seen = 0;
  let config: KubeconfigFile;
  return () => {
    const { mtimeMs } = statSync(path);
    if (mtimeMs !== seen) config = parse(readFileSync(path, 'utf8')) as KubeconfigFile;
    seen = mtimeMs;
    return config;
  };
}

/** Whose rights a command has: the administrator's of a data directory, or of another kubeconfig. */
export interface AdminFlags {
  dataDir: string;
  kubeconfig?: string;
}

/** Does `work` as the administrator, and lets the process end afterwards. */
export async function withAdmin<T>(
  { dataDir, kubeconfig }: AdminFlags,
  work: (client: Client, transport: Http2Transport) => Promise<T>,
): Promise<T> {
  const paths = pathsOf(dataDir);
  const { client, transport } = kubeconfig
    ? connect(kubeconfig)
    : connect(paths.adminKubeconfig, await learnedServers(systemFiles(), paths));
  try {
    return await work(client, transport);
  } finally {
    transport.close();
  }
}
