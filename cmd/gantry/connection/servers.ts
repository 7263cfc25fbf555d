import { join } from 'node:path';
import { type Http2Options, http2Transport } from '#client/http2-transport.ts';
import type { Files } from '#machinery/io.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import type { Transport } from '#machinery/transport.ts';
import type { Servers } from '#node-agent/servers.ts';
import type { Paths } from '../paths.ts';

/** How the agent reaches servers: by any of them, or by one. */
export interface ServerDoors extends Servers {
  /** To whichever of them can be reached. */
  any: Transport;
  close(): void;
}

export interface DoorOptions extends Omit<Http2Options, 'url' | 'ca' | 'certificate'> {
  /** See Servers. */
  trusted(): string;
  /** Left out where somebody else sees to it. */
  trust?(authorities: string): Promise<void>;
  held(): KeyAndCertificate;
  /** Left out where somebody else sees to it. */
  keep?(pair: KeyAndCertificate): Promise<void>;
}

const LEARNED = 'servers.json';

/** The servers that the agent has been told of; none before its first start. */
export async function learnedServers(files: Files, { agent }: Pick<Paths, 'agent'>): Promise<string[]> {
  return listOf(await files.read(join(agent, LEARNED)));
}

/**
 * The servers that the agent was told of (`first`), and those that they have told of, which are kept in `agent/servers.json`: where one
 * has gone for good, the node finds the others also after a restart.
 */
export async function openServers(
  files: Files,
  { agent }: Paths,
  first: string,
  { trusted, trust = async () => {}, held, keep = async () => {}, ...more }: DoorOptions,
): Promise<ServerDoors> {
  const certificate = () => ({ cert: held().certificate, key: held().key });
  const options = { ...more, ca: trusted, certificate };
  const path = join(agent, LEARNED);
  let learned = await learnedServers(files, { agent });
  const any = http2Transport({ ...options, url: () => [...new Set([first, ...learned])] });
  const doors = new Map<string, ReturnType<typeof http2Transport>>();
  return {
    any,
    trusted,
    trust,
    held,
    keep,
    each: () => (learned.length > 0 ? learned : [first]),
    async learn(urls) {
      if (JSON.stringify(urls) === JSON.stringify(learned)) return;
      learned = [...urls];
      for (const [url, door] of doors)
        if (!urls.includes(url)) {
          door.close();
          doors.delete(url);
        }
      await files.write(path, `${JSON.stringify(learned)}\n`, 0o600);
    },
    transportTo(url) {
      const door = doors.get(url) ?? http2Transport({ ...options, url });
      doors.set(url, door);
      return door;
    },
    close() {
      any.close();
      for (const door of doors.values()) door.close();
    },
  };
}

/** What cannot be read is learned again. */
function listOf(bytes: Uint8Array | undefined): string[] {
  try {
    const list = JSON.parse(Buffer.from(bytes ?? '').toString());
    return Array.isArray(list) ? list.filter((url) => typeof url === 'string' && URL.canParse(url)) : [];
  } catch {
    return [];
  }
}
