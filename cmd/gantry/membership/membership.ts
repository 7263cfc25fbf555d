import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Http2Options } from '#client/http2-transport.ts';
import type { Files } from '#machinery/io.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { serverOf } from '../connection/kubeconfig.ts';
import { openServers, type ServerDoors } from '../connection/servers.ts';
import type { Paths } from '../paths.ts';
import { readJoined, readPair } from './joined.ts';

/** What a machine is in its cluster, and how it speaks to it: as its node, or with a server's rights as the administrator. */
export interface Membership {
  role: 'node' | 'server';
  nodeName: string;
  /** `https://HOST:6443`: where it joined, or its own server. */
  url: string;
  ca: string;
  pair: KeyAndCertificate;
}

/** undefined: it is in no cluster. Throws when what it has is of no use. `hint`: its name, where more than one would do. */
export async function membershipOf(
  files: Files,
  paths: Paths,
  hint: string,
): Promise<Membership | undefined> {
  const text = async (name: string) => {
    const path = join(paths.pki, name);
    const bytes = await files.read(path);
    if (!bytes) throw new Error(`${path} is missing: "gantry purge" removes what is here`);
    return Buffer.from(bytes).toString();
  };
  const joined = await readJoined(files, paths);
  if (joined) {
    const { nodeName, server: url } = joined;
    const pair = await readPair(files, paths, nodeName);
    if (!pair)
      throw new Error(`the certificate of ${nodeName} is missing: "gantry purge" removes what is here`);
    return { role: 'node', nodeName, url, ca: await text('server-ca.crt'), pair };
  }
  if (!(await files.read(join(paths.pki, 'server-ca.key')))) return undefined;
  const url = serverOf(readFileSync(paths.adminKubeconfig, 'utf8'));
  const pair = { certificate: await text('admin.crt'), key: await text('admin.key') };
  const nodeName = await ownNodeName(paths, hint);
  return { role: 'server', nodeName, url, ca: await text('server-ca.crt'), pair };
}

/** The server makes a certificate for the node of its machine, under its name. */
async function ownNodeName({ pki }: Paths, hint: string): Promise<string> {
  const names = (await readdir(pki)).flatMap((file) => /^node-(.+)\.crt$/.exec(file)?.[1] ?? []);
  const others = names.filter((name) => name !== 'ca');
  return others.includes(hint) || others.length !== 1 ? hint : others[0]!;
}

/** To any server that it knows of. */
export async function openDoors(
  files: Files,
  paths: Paths,
  { url, ca, pair }: Membership,
  clock: Http2Options['clock'],
): Promise<ServerDoors> {
  await files.mkdir(paths.agent, 0o700);
  return await openServers(files, paths, url, { clock, trusted: () => ca, held: () => pair });
}
