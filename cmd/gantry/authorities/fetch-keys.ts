import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lease } from '#api/objects.ts';
import type { AuthorityName } from '#api/semantics/authorities.ts';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import { serversOf } from '#apiserver/bootstrap/servers.ts';
import { http2Transport } from '#client/http2-transport.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { alternativeNamesOf } from '#machinery/pki/certificate.ts';
import { nextKeyName } from '#machinery/pki/directory.ts';
import { collect } from '#machinery/transport.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import { parseControlPlane } from '../control-plane.ts';
import type { Paths } from '../paths.ts';
import type { Pki } from '../pki.ts';

interface Deps {
  paths: Paths;
  clock: Clock;
  log: Logger;
  pki: Pki;
}

/**
 * The keys of that authority that other servers have, asked as the administrator: what makes a machine a server is given to that one. They
 * are trusted by `known` (PEM), what the store says of servers, too: this server may have been away when their authority was replaced.
 */
export async function fetchKeys(
  name: AuthorityName,
  leases: readonly Lease[],
  known: string,
  { paths, clock, log, pki }: Deps,
): Promise<string[]> {
  const own = new Set(alternativeNamesOf(pki.server.certificate));
  const others = serversOf(leases, clock.now()).filter(({ address }) => !own.has(address));
  const keys: string[] = [];
  const ca = `${pki.trusted['server-ca'].trimEnd()}\n${known}`;
  const read = (file: string) => readFileSync(join(paths.pki, file), 'utf8');
  const certificate = () => ({ cert: read('admin.crt'), key: read('admin.key') });
  for (const { address, port } of others) {
    const transport = http2Transport({ url: `https://${hostPort(address, port)}`, clock, ca, certificate });
    try {
      const request = { method: 'POST', path: CONTROL_PLANE_PATH, headers: {} };
      const { status, body } = await transport.request(request);
      const text = Buffer.from(await collect(body)).toString();
      if (status !== 200) throw new Error(`it answers ${status}`);
      const { files } = parseControlPlane(text);
      for (const file of [`${name}.key`, nextKeyName(name)])
        if (files[`pki/${file}`]) keys.push(files[`pki/${file}`]!);
    } catch (error) {
      // Another one may have them; when none has, that is an error.
      log.warn('A server could not be asked for the keys of an authority', {
        authority: name,
        address,
        error: messageOf(error),
      });
    } finally {
      transport.close();
    }
  }
  return keys;
}
