import { join as joinPath } from 'node:path';
import { Command } from 'commander';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import { http2Transport } from '#client/http2-transport.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import { collect } from '#machinery/transport.ts';
import { vouchedAuthority } from './authority.ts';
import { controlPlaneArguments, parseControlPlane, writeControlPlane } from './control-plane.ts';
import { bearerOf, type JoinToken } from './join-token.ts';
import { readJoined } from './joined.ts';
import { addUpOptions, type NodeFlags, type Place, type Settings, type UpFlags } from './options.ts';
import type { Paths } from './paths.ts';

interface Deps {
  files: Files;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Makes this machine one more server of the cluster at `server`, or finds that it is one: gives the settings of `gantry up`. It gets all
 * keys of the cluster, so the token for it is as good as they are.
 */
export async function enterAsServer(
  server: string,
  token: JoinToken | undefined,
  node: Omit<NodeFlags, 'dataDir'> & Place,
  deps: Deps,
): Promise<Settings> {
  const { files, log } = deps;
  const { paths, nodeName } = node;
  const before = await controlPlaneArguments(files, paths);
  if (before) return settingsOf(before, node);
  if ((await readJoined(files, paths)) || (await files.read(joinPath(paths.pki, 'server-ca.key'))))
    throw new Error(
      `${paths.root} is in use by a node or a cluster of its own: name another --data-dir, or purge it`,
    );
  if (!token)
    throw new Error('--token is needed: make one on a server with "gantry token create --role server"');
  const plane = await fetchControlPlane(server, token, deps);
  await writeControlPlane(files, paths, plane);
  log.info('This machine has joined as a server', { server, node: nodeName });
  return settingsOf((await controlPlaneArguments(files, paths))!, node);
}

async function fetchControlPlane(server: string, token: JoinToken, { clock, signal }: Deps) {
  const ca = await vouchedAuthority(server, token, signal);
  const transport = http2Transport({ url: server, clock, ca, token: () => bearerOf(token) });
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
function settingsOf(args: readonly string[], node: Omit<NodeFlags, 'dataDir'> & Place): Settings {
  const shared = addUpOptions(new Command('up'))
    .exitOverride()
    .parse([...args], { from: 'user' });
  const { dataDir: _, advertiseAddress: __, ...flags } = shared.opts<UpFlags>();
  return { ...flags, ...node };
}

/** Whether the machine is a server of a cluster that it has joined. */
export async function isServer(files: Files, paths: Paths): Promise<boolean> {
  return (await controlPlaneArguments(files, paths)) !== undefined;
}
