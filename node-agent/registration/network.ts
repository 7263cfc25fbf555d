import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { startInformer } from '#client/informer.ts';
import type { NodeNetworkConfig } from '#network/contract.ts';
import type { AgentDeps } from '../agent.ts';
import { networkConfigPath } from '../paths.ts';
import { podCidrsOf, registerNode } from './register.ts';

/** The node's blocks of pod addresses: those it was given before, so that it can start without the server, else new ones. */
export async function blocksOf(
  { config, client, clock, random, files }: AgentDeps,
  registration: Parameters<typeof registerNode>[0],
  signal: AbortSignal,
): Promise<string[]> {
  const known = await files.read(networkConfigPath(config.paths));
  if (known) return (JSON.parse(Buffer.from(known).toString()) as NodeNetworkConfig).podCidrs;
  await registerNode(registration);
  const looked = new AbortController();
  const informer = startInformer<Node>({
    ...{ client, clock, random, kind: NodeKind },
    fieldSelector: `metadata.name=${config.nodeName}`,
    signal: AbortSignal.any([signal, looked.signal]),
  });
  const podCidrs = await podCidrsOf(informer, config.nodeName, signal);
  looked.abort();
  await files.mkdir(config.paths.dataDir, 0o700);
  return podCidrs;
}

/** Sets the node's network up, with these blocks. */
export async function startNetwork({ config, files, network }: AgentDeps, podCidrs: string[]): Promise<void> {
  const networkConfig = { ...config.network, podCidrs };
  // Before there is anything of it in the kernel: a crash from here on leaves what the next start or a purge needs.
  await files.write(networkConfigPath(config.paths), JSON.stringify(networkConfig), 0o600);
  await network.start(networkConfig);
}
