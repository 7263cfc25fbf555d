import { join as joinPath } from 'node:path';
import { CLUSTER_SETTINGS, type ClusterSettings, parseClusterSettings } from '#api/cluster-settings.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { type Logger, textLogger } from '#machinery/log.ts';
import { type KeyAndCertificate, validityOf } from '#machinery/pki/certificate.ts';
import { makeSigningKey } from '#machinery/pki/signing-key.ts';
import { CertificateRefusedError, requestCertificate } from '#node-agent/registration/certificate.ts';
import { version } from '../assets.ts';
import { tokenTransport } from '../certificates/authority.ts';
import { SERVER_PROXY, serverProxy } from '../connection/proxy.ts';
import { serverUrlOf } from '../connection/server-url.ts';
import { learnedServers } from '../connection/servers.ts';
import { keptControlPlane } from '../control-plane.ts';
import { EXIT_FINAL } from '../machine/supervise.ts';
import type { ManagedEtcdFlags } from '../managed-etcd/options.ts';
import { type NodeFlags, type Place, settle, type UpFlags } from '../options.ts';
import type { Paths } from '../paths.ts';
import { agentRole, serverRoles, superviseHere } from '../up.ts';
import { clusterFault } from '../virtual-address/address.ts';
import { enterAsServer } from './join-server.ts';
import { authoritiesWith, type JoinToken, parseJoinToken } from './join-token.ts';
import { authorityPath, type Joined, readJoined, readPair, writeJoined, writePair } from './joined.ts';

export interface JoinFlags
  extends NodeFlags,
    Pick<UpFlags, 'tlsSan' | 'virtualAddress'>,
    Partial<Pick<ManagedEtcdFlags, 'etcdClientPort' | 'etcdPeerPort'>> {
  token?: string;
  nodeIp?: string;
  proxy?: string;
  role: 'node' | 'server';
}

const files = systemFiles();
const clock = systemClock;

/** For each server: a node that starts while some are away must not wait for those. */
const CONNECT_MS = 3_000;
const SETTINGS_MS = 10_000;

/**
 * `gantry join`: this machine becomes a node of the cluster at `server`, or one more server of it, and runs what that takes, in the
 * foreground, until SIGTERM or SIGINT. Once it has joined, it needs no token any more.
 */
export async function join(server: string, flags: JoinFlags): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('gantry: containers need root: use sudo\n');
    return EXIT_FINAL;
  }
  const url = serverUrlOf(server);
  const token = tokenOf(flags);
  const { token: _, nodeIp, role, proxy, ...rest } = flags;
  if (proxy) process.env[SERVER_PROXY] = proxy;
  const settings = settle({ ...rest, ...(nodeIp && { advertiseAddress: nodeIp }) }, '--node-ip');
  const log = textLogger((line) => process.stderr.write(line), settings.logLevel, clock, { part: 'join' });
  return await superviseHere(settings, log, async (signal) => {
    if (role === 'server' || (await keptControlPlane(files, settings.paths))) {
      const entry = await enterAsServer(url, token, settings, { files, clock, log, signal });
      const fault = clusterFault(entry.settings);
      if (fault) throw new Error(fault);
      return await serverRoles(entry, log);
    }
    const joined = await enter(url, token, settings, { log, signal });
    const { nodeGraceMs, ...cluster } = joined.settings;
    const place = { ...settings, ...cluster, nodeGracePeriod: nodeGraceMs, server: joined.server };
    return [agentRole(place, nodeIp === undefined)];
  });
}

interface Deps {
  log: Logger;
  signal: AbortSignal;
}

/** Joins, or finds that the machine has joined before, and brings what it knows of the cluster up to date. */
async function enter(
  server: string,
  token: JoinToken | undefined,
  { paths, nodeName }: Place & { nodeName: string },
  deps: Deps,
): Promise<Joined> {
  const before = await readJoined(files, paths);
  if (before) await refuseAnother(before, token, nodeName, paths);
  else if (await files.read(joinPath(paths.pki, 'server-ca.key')))
    throw new Error(
      `${paths.root} holds a cluster of its own ("gantry up"): name another --data-dir, or purge it`,
    );
  const held = before && (await readPair(files, paths, nodeName));
  if (before && held && validityOf(held.certificate).untilMs > clock.now())
    return await refresh({ ...before, server }, held, paths, deps).catch(async (error) => {
      if (!isStatus(error, 'Unauthorized')) throw error;
      if (!token) throw new Error(`${nodeName} was removed from the cluster: join again, with --token`);
      // Its Node was deleted: a request for the same key would be answered with the certificate that is of no use.
      await files.remove(pendingKeyPath(paths, nodeName));
      return await enterWith(token, { server, nodeName, paths }, deps);
    });
  if (!token) throw new Error('--token is needed: make one on the server with "gantry token create"');
  return await enterWith(token, { server, nodeName, paths }, deps);
}

function tokenOf({ token = process.env['GANTRY_TOKEN'] }: JoinFlags): JoinToken | undefined {
  if (token === undefined) return undefined;
  const parsed = parseJoinToken(token);
  if (!parsed)
    throw new Error('this is no token of "gantry token create": it has three parts, ID.SECRET.HASH');
  return parsed;
}

async function refuseAnother(
  before: Joined,
  token: JoinToken | undefined,
  nodeName: string,
  paths: Paths,
): Promise<void> {
  const { root } = paths;
  // The authority may have been replaced since it joined: those that it trusts now count.
  const trusted = Buffer.from((await files.read(authorityPath(paths))) ?? '').toString();
  if (token && token.authorityHash !== before.authorityHash && !authoritiesWith(trusted, token.authorityHash))
    throw new Error(
      `${root} belongs to the cluster of ${before.server}: name another --data-dir, or purge it first`,
    );
  if (nodeName !== before.nodeName)
    throw new Error(
      `${root} is of the node ${before.nodeName}, not ${nodeName}: name that one, or purge it first`,
    );
}

async function enterWith(
  token: JoinToken,
  { server, nodeName, paths }: { server: string; nodeName: string; paths: Paths },
  { log, signal }: Deps,
): Promise<Joined> {
  const { ca, transport } = await tokenTransport(server, token, { clock, signal });
  log.info('Asking for a certificate', { server, node: nodeName });
  try {
    const client = restClient({ transport, clock, userAgent: `gantry-join/${version}` });
    const key = await pendingKey(paths, nodeName);
    const certificate = await requestCertificate(key, nodeName, { client, clock, log, signal }).catch(
      async (error) => {
        // Asked again with the same key, the answer would stay the same for as long as the request is kept.
        if (error instanceof CertificateRefusedError) await files.remove(pendingKeyPath(paths, nodeName));
        throw explained(error);
      },
    );
    const pair = { key, certificate };
    const settings = await clusterSettings([server], ca, pair);
    await files.write(authorityPath(paths), ca, 0o600);
    await writePair(files, paths, nodeName, pair);
    const joined = { server, nodeName, authorityHash: token.authorityHash, settings };
    await writeJoined(files, paths, joined);
    await files.remove(pendingKeyPath(paths, nodeName));
    log.info('This machine has joined', { server, node: nodeName });
    return joined;
  } finally {
    transport.close();
  }
}

function explained(error: unknown): unknown {
  if (!isStatus(error, 'Unauthorized')) return error;
  return new Error(
    'the server does not know this token, or its time is over: make one with "gantry token create"',
  );
}

function pendingKeyPath({ pki }: Paths, nodeName: string): string {
  return joinPath(pki, `node-${nodeName}.key`);
}

/** Kept until there is a certificate for it: who asks again after a crash is found to be the same. */
async function pendingKey(paths: Paths, nodeName: string): Promise<string> {
  const path = pendingKeyPath(paths, nodeName);
  const found = await files.read(path);
  if (found) return Buffer.from(found).toString();
  const key = makeSigningKey();
  await files.mkdir(paths.pki, 0o700);
  await files.write(path, key, 0o600);
  return key;
}

/** Any of the servers says the same. */
async function clusterSettings(
  servers: readonly string[],
  ca: string,
  pair: KeyAndCertificate,
): Promise<ClusterSettings> {
  const certificate = () => ({ cert: pair.certificate, key: pair.key });
  const transport = http2Transport({
    ...{ url: () => servers, proxy: serverProxy(), clock, ca, certificate },
    connectTimeoutMs: CONNECT_MS,
  });
  try {
    const userAgent = `gantry-join/${version}`;
    const client = restClient({ transport, clock, userAgent, timeoutMs: SETTINGS_MS });
    return parseClusterSettings((await client.get(ConfigMapKind, CLUSTER_SETTINGS)).data);
  } finally {
    transport.close();
  }
}

/** A server that does not answer is no reason for the node's containers to stand still. Throws Unauthorized when it is not let in. */
async function refresh(
  joined: Joined,
  pair: KeyAndCertificate,
  paths: Paths,
  { log }: Deps,
): Promise<Joined> {
  try {
    const ca = Buffer.from((await files.read(authorityPath(paths)))!).toString();
    const servers = [...new Set([joined.server, ...(await learnedServers(files, paths))])];
    const current = { ...joined, settings: await clusterSettings(servers, ca, pair) };
    await writeJoined(files, paths, current);
    return current;
  } catch (error) {
    if (isStatus(error, 'Unauthorized')) throw error;
    log.warn('The server could not be asked: what it said before is used', { error: messageOf(error) });
    return joined;
  }
}
