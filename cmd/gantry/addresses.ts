import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/**
 * IPv4 address of the interface that holds the default route, else the first that is not loopback or ours. One without a subnet may be a
 * virtual address, which moves to another machine: it is only taken where there is no other one.
 */
export function nodeAddress(
  ownBridge: string,
  interfaces = networkInterfaces(),
  preferred = defaultRouteInterface(),
): string | undefined {
  const addressOf = (name: string) => {
    const all = interfaces[name]?.filter(({ family, internal }) => family === 'IPv4' && !internal) ?? [];
    return all.find(({ netmask }) => netmask !== '255.255.255.255') ?? all[0];
  };
  const names = [...(preferred ? [preferred] : []), ...Object.keys(interfaces).sort()];
  for (const name of names) {
    const found = name === ownBridge ? undefined : addressOf(name);
    if (found) return found.address;
  }
  return undefined;
}

/** Source: proc(5), /proc/net/route: destination and mask of the default route are zero. */
function defaultRouteInterface(): string | undefined {
  const rows = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1);
  const fields = rows.map((row) => row.split('\t'));
  return fields.find((field) => field[1] === '00000000' && field[7] === '00000000')?.[0];
}

/** `host:port`, `[v6]:port` or `:port`; undefined when it is none of these. */
export function parseListen(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) return undefined;
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}
