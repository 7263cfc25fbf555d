import { NodeKind } from '#api/kinds/node.ts';
import { VERSION_PATH } from '#api/well-known.ts';
import type { Client } from '#client/contract.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { collect, type Transport } from '#machinery/transport.ts';
import { memberApi } from '#store/etcd/members.ts';
import type { ServerDoors } from '../connection/servers.ts';
import { managedAccess } from '../managed-etcd/access.ts';
import { listMembers } from '../managed-etcd/membership.ts';
import type { MemberState } from '../managed-etcd/quorum.ts';
import { otherServersOf } from '../membership/leave.ts';
import type { Membership } from '../membership/membership.ts';
import type { Paths } from '../paths.ts';
import type { NodeFacts, ServerFacts, Surroundings } from './plan.ts';

const ANSWER_MS = 5_000;
const LIMIT_BYTES = 64 * 1024;

export interface Scene {
  paths: Paths;
  machine: Membership;
  client: Client;
  doors: ServerDoors;
  clock: Clock;
}

/** Asks the cluster, and each of its servers. Rejects when no server can be reached. */
export async function lookAround(scene: Scene): Promise<Surroundings> {
  const { paths, machine, client, doors } = scene;
  const { role, nodeName } = machine;
  const urls = await otherServersOf(paths, client);
  const servers = await Promise.all(
    urls.map(async (url): Promise<ServerFacts> => {
      const answer = versionAt(doors.transportTo(url));
      return { url, answer: await answer.catch((error) => ({ fault: messageOf(error) })) };
    }),
  );
  if (role === 'node') return { role, nodeName, servers, nodes: [] };
  const members = await membersOf(scene);
  const nodes = await nodesOf(client, nodeName, urls);
  return { role, nodeName, servers, nodes, ...(members && { members }) };
}

/** What a server says of itself. Rejects when it does not, within a time. */
export async function versionAt(transport: Transport): Promise<{ version: string; architecture: string }> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const request = { method: 'GET', path: VERSION_PATH, headers: {}, signal };
  const { status, body } = await transport.request(request);
  const text = Buffer.from(await collect(body, LIMIT_BYTES)).toString();
  if (status !== 200) throw new Error(`it answers ${status} when it is asked for its version`);
  return JSON.parse(text);
}

async function nodesOf(client: Client, own: string, servers: readonly string[]): Promise<NodeFacts[]> {
  const hosts = new Set(servers.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, '')));
  const { items } = await client.list(NodeKind);
  return items.map(({ metadata, status }) => ({
    name: metadata.name!,
    version: status?.nodeInfo?.kubeletVersion ?? '',
    onServer: metadata.name === own || (status?.addresses ?? []).some(({ address }) => hosts.has(address)),
  }));
}

async function membersOf({ paths, clock }: Scene): Promise<MemberState[] | undefined> {
  const access = await managedAccess(paths, { files: systemFiles(), clock });
  if (!access) return undefined;
  const cluster = memberApi({ ...access, retryMs: ANSWER_MS });
  try {
    return await listMembers({ cluster });
  } finally {
    cluster.close();
  }
}
