import { join as joinPath } from 'node:path';
import { Command } from 'commander';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import { collect } from '#machinery/transport.ts';
import { tokenTransport } from '../certificates/authority.ts';
import {
  completeControlPlane,
  keptControlPlane,
  parseControlPlane,
  writeControlPlane,
} from '../control-plane.ts';
import type { AttendDeps } from '../managed-etcd/attend.ts';
import type { ManagedEtcdFlags } from '../managed-etcd/options.ts';
import { hasEtcdData, MEMBERS_FILE, type MemberRecord, readMembers } from '../managed-etcd/record.ts';
import { memberHere } from '../managed-etcd/role.ts';
import { addUpOptions, type NodeFlags, type Place, type Settings, type UpFlags } from '../options.ts';
import type { Paths } from '../paths.ts';
import { mergeVirtualAddresses } from '../virtual-address/address.ts';
import type { JoinToken } from './join-token.ts';
import { readJoined } from './joined.ts';

/** A machine that is a server, or about to become one. */
export interface ServerEntry {
  /** Of `gantry up`. */
  settings: Settings;
  /** Where the cluster's etcd runs on its servers: the member that runs here. */
  member?: MemberRecord;
  /** To be done once that one runs, before the server is started. */
  complete?: (signal: AbortSignal) => Promise<void>;
}

type NodePart = Omit<NodeFlags, 'dataDir'> &
  Place &
  Pick<UpFlags, 'tlsSan' | 'virtualAddress'> &
  Partial<ManagedEtcdFlags>;

/**
 * Makes this machine one more server of the cluster at `server`, or finds that it is one. It gets all keys of the cluster, so the token
 * for it is as good as they are. Begun anew, it goes on from where it was interrupted.
 */
export async function enterAsServer(
  server: string,
  token: JoinToken | undefined,
  node: NodePart,
  deps: AttendDeps,
): Promise<ServerEntry> {
  const { files, log } = deps;
  const { paths, nodeName } = node;
  const before = await keptControlPlane(files, paths);
  if (before && !before.joining) {
    const settings = settingsOf(before.args, node);
    if (settings.store.kind !== 'managed-etcd') return { settings };
    if (await hasEtcdData(files, paths)) return { settings, member: await memberHere(settings, files) };
    log.warn("etcd's data is gone from this machine: it joins again", { node: nodeName });
  } else if (!before) await refuseOthers(files, paths);
  // Without a token it goes on with what it was given, as far as that had come.
  if (token) {
    const plane = await fetchControlPlane(server, token, deps);
    await writeControlPlane(files, paths, plane, plane.files[MEMBERS_FILE] !== undefined);
  } else if ((await readMembers(files, paths)).length === 0)
    throw new Error('--token is needed: make one on a server with "gantry token create --role server"');
  const { args, joining } = (await keptControlPlane(files, paths))!;
  const settings = settingsOf(args, node);
  const joined = () => log.info('This machine has joined as a server', { server, node: nodeName });
  if (!joining) {
    joined();
    return { settings };
  }
  // etcd3 and gRPC take 200 ms and 20 MB: only who joins such a cluster pays.
  const { enterCluster } = await import('../managed-etcd/enter.ts');
  const { member, complete } = await enterCluster(settings, deps);
  return {
    settings,
    member,
    async complete(signal) {
      await complete(signal);
      await completeControlPlane(files, paths);
      joined();
    },
  };
}

async function refuseOthers(files: Files, paths: Paths): Promise<void> {
  if ((await readJoined(files, paths)) || (await files.read(joinPath(paths.pki, 'server-ca.key'))))
    throw new Error(
      `${paths.root} is in use by a node or a cluster of its own: name another --data-dir, or purge it`,
    );
}

async function fetchControlPlane(server: string, token: JoinToken, { clock, signal }: AttendDeps) {
  const { transport } = await tokenTransport(server, token, { clock, signal });
  try {
    const request = { method: 'POST', path: CONTROL_PLANE_PATH, headers: {}, signal } as const;
    const { status, body } = await transport.request(request);
    const text = Buffer.from(await collect(body)).toString();
    if (status === 200) return parseControlPlane(text);
    if (status === 401) throw new Error('the server does not know this token, or its time is over');
    if (status === 403)
      throw new Error('this token makes nodes: make one with "gantry token create --role server"');
    throw StatusError.from(JSON.parse(text), status);
  } finally {
    transport.close();
  }
}

/** What the cluster says, and what this machine says of itself. */
function settingsOf(args: readonly string[], node: NodePart): Settings {
  const shared = addUpOptions(new Command('up'))
    .exitOverride()
    .parse([...args], { from: 'user' });
  const { dataDir: _, advertiseAddress: __, ...flags } = shared.opts<UpFlags>();
  return {
    ...flags,
    ...node,
    tlsSan: [...new Set([...flags.tlsSan, ...node.tlsSan])],
    virtualAddress: mergeVirtualAddresses(flags.virtualAddress, node.virtualAddress),
  };
}
