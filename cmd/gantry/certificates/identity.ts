import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { isPair, type KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { authorityPath, readJoined, readPair, writePair } from '../membership/joined.ts';
import type { Place } from '../options.ts';
import { waitForFile } from '../wait.ts';

/** Whom the agent trusts, and what it shows. */
export interface NodeIdentity {
  trusted(): string;
  /** Trusts these from now on, for good. Left out where the machine's own server has them. */
  trust?(authorities: string): Promise<void>;
  held(): KeyAndCertificate;
  /** Takes a new pair into use, for good. Left out where the machine's own server renews the certificate. */
  keep?(pair: KeyAndCertificate): Promise<void>;
}

/** Of a machine that has joined, what the cluster gave it; else what the server of this machine makes at its first start. */
export async function readIdentity(
  { paths, nodeName }: Place & { nodeName: string },
  clock: Clock,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  const files = systemFiles();
  if (!(await readJoined(files, paths))) {
    await waitForFile(join(paths.pki, `node-${nodeName}.crt`), clock, signal);
    const trusted = () => readFileSync(authorityPath(paths), 'utf8');
    return { trusted, held: rereadPair(join(paths.pki, `node-${nodeName}`)) };
  }
  let held = await readPair(files, paths, nodeName);
  const read = await files.read(authorityPath(paths));
  if (!held || !read) throw new Error(`the certificate of ${nodeName} is missing: join again, with a token`);
  let authorities = Buffer.from(read).toString();
  return {
    trusted: () => authorities,
    async trust(next) {
      await files.write(authorityPath(paths), next, 0o600);
      authorities = next;
    },
    held: () => held!,
    async keep(pair) {
      await writePair(files, paths, nodeName, pair);
      held = pair;
    },
  };
}

/** A pair as it is in its files, which another process renews: read again once they have changed. */
export function rereadPair(path: string): () => KeyAndCertificate {
  let seen = '';
  let held: KeyAndCertificate | undefined;
  return () => {
    const at = `${statSync(`${path}.key`).mtimeMs} ${statSync(`${path}.crt`).mtimeMs}`;
    if (held && at === seen) return held;
    const read = {
      key: readFileSync(`${path}.key`, 'utf8'),
      certificate: readFileSync(`${path}.crt`, 'utf8'),
    };
    // Between its two files the old pair goes on.
    if (held && !isPair(read)) return held;
    seen = at;
    held = read;
    return held;
  };
}
