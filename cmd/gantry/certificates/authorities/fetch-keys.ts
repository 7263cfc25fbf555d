import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LeaseKind } from '#api/kinds/lease.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import type { AuthorityName } from '#api/semantics/authorities.ts';
import { bootstrapTokenSecret, SERVER_TOKEN_GROUP } from '#api/semantics/bootstrap-tokens.ts';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import { BOOTSTRAP_ACTOR } from '#apiserver/authorization/reconcile.ts';
import { NAMESPACE, type ServerAddress, serversOf } from '#apiserver/bootstrap/servers.ts';
import type { Engine } from '#apiserver/contract.ts';
import { type Http2Options, http2Transport } from '#client/http2-transport.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { alternativeNamesOf } from '#machinery/pki/certificate.ts';
import { nextKeyName } from '#machinery/pki/directory.ts';
import type { Random } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { parseControlPlane } from '../../control-plane.ts';
import { bearerOf, makeJoinToken } from '../../membership/join-token.ts';
import type { Paths } from '../../paths.ts';
import type { Pki } from '../pki.ts';

interface Deps {
  engine: Engine;
  paths: Pick<Paths, 'pki'>;
  clock: Clock;
  random: Random;
  log: Logger;
  pki: Pick<Pki, 'server' | 'trusted'>;
}

/** Long enough to be seen by the other server, too. */
const TOKEN_MS = 60_000;
const TRIES = 5;
const PAUSE_MS = 300;

/**
 * The keys of that authority that other servers have, asked as the administrator: what makes a machine a server is given to that one. They
 * are trusted by `known` (PEM), what the store says of servers, too: this server may have been away when their authority was replaced. Where
 * that of clients was, nobody knows its administrator any more: then it asks with a token for servers, which it makes.
 */
export async function fetchKeys(name: AuthorityName, known: string, deps: Deps): Promise<string[]> {
  const { engine, paths, clock, log, pki } = deps;
  const own = new Set(alternativeNamesOf(pki.server.certificate));
  const servers = serversOf(engine.list(LeaseKind, NAMESPACE), clock.now());
  const keys: string[] = [];
  const ca = `${pki.trusted['server-ca'].trimEnd()}\n${known}`;
  const read = (file: string) => readFileSync(join(paths.pki, file), 'utf8');
  const certificate = () => ({ cert: read('admin.crt'), key: read('admin.key') });
  for (const at of servers.filter(({ address }) => !own.has(address)))
    try {
      const files =
        (await filesOf(at, { clock, ca, certificate })) ??
        (await filesWith(await makeToken(deps), at, { clock, ca }));
      for (const file of [`${name}.key`, nextKeyName(name)])
        if (files[`pki/${file}`]) keys.push(files[`pki/${file}`]!);
    } catch (error) {
      // Another one may have them; when none has, that is an error.
      log.warn('A server could not be asked for the keys of an authority', {
        authority: name,
        address: at.address,
        error: messageOf(error),
      });
    }
  return keys;
}

/** undefined: that server does not know who asks, or gives him nothing. */
async function filesOf(
  { address, port }: ServerAddress,
  options: Omit<Http2Options, 'url'>,
): Promise<Record<string, string> | undefined> {
  const transport = http2Transport({ ...options, url: `https://${hostPort(address, port)}` });
  try {
    const { status, body } = await transport.request({
      method: 'POST',
      path: CONTROL_PLANE_PATH,
      headers: {},
    });
    const text = Buffer.from(await collect(body)).toString();
    if (status === 401 || status === 403) return undefined;
    if (status !== 200) throw new Error(`it answers ${status}`);
    return parseControlPlane(text).files;
  } finally {
    transport.close();
  }
}

/** That server may not have heard of the token yet. */
async function filesWith(
  token: string,
  at: ServerAddress,
  options: Omit<Http2Options, 'url'>,
): Promise<Record<string, string>> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const files = await filesOf(at, { ...options, token: () => token });
    if (files) return files;
    await sleep(options.clock, PAUSE_MS);
  }
  throw new Error('it knows neither the administrator nor a token that was made for it');
}

async function makeToken({ engine, clock, random, pki }: Deps): Promise<string> {
  const token = makeJoinToken(pki.trusted['server-ca'], random);
  const { id, secret } = token;
  const expiresMs = clock.now() + TOKEN_MS;
  const description = 'for a server that was away while authorities were replaced';
  const groups = [SERVER_TOKEN_GROUP];
  const made = bootstrapTokenSecret({ id, secret, groups, expiresMs, description });
  await engine.create(SecretKind, made, BOOTSTRAP_ACTOR);
  return bearerOf(token);
}
