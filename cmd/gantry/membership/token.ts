import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { SecretKind } from '#api/kinds/secret.ts';
import type { Secret } from '#api/objects.ts';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  type BootstrapTokenKey,
  bootstrapTokenField,
  bootstrapTokenName,
  bootstrapTokenSecret,
  NODE_TOKEN_GROUP,
  SERVER_TOKEN_GROUP,
} from '#api/semantics/bootstrap-tokens.ts';
import { WELL_KNOWN } from '#api/well-known.ts';
import { rfc3339, systemClock } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import { parseProxy } from '#machinery/proxy/rules.ts';
import { systemRandom } from '#machinery/random.ts';
import { humanDuration } from '#machinery/values/duration.ts';
import { withAdmin } from '../connection/connect.ts';
import { doorOf } from '../connection/server-keys.ts';
import { pathsOf } from '../paths.ts';
import { formatTable } from '../table.ts';
import { joinTokenText, makeJoinToken } from './join-token.ts';
import { authorityPath } from './joined.ts';

/** May ask for certificates of nodes, and gets them approved; gets all that makes a server. */
const GROUPS = { node: NODE_TOKEN_GROUP, server: SERVER_TOKEN_GROUP };
export type Role = keyof typeof GROUPS;

interface Flags {
  dataDir: string;
  output?: string;
}

interface MakeFlags extends Flags {
  /** Milliseconds; 0 = for ever. */
  ttl: number;
  role: Role;
  description?: string;
  /** Where machines are to ask, instead of at the first of the servers. */
  server?: string;
}

/** A new token, and the lines by which a machine joins with it: one that installs gantry first, one where it is installed. */
async function makeLines(flags: MakeFlags) {
  const authority = readFileSync(authorityPath(pathsOf(flags.dataDir)), 'utf8');
  const token = makeJoinToken(authority, systemRandom);
  const expiresMs = flags.ttl === 0 ? undefined : systemClock.now() + flags.ttl;
  const expires = expiresMs && rfc3339(expiresMs);
  const { id, secret } = token;
  const { description } = flags;
  const groups = [GROUPS[flags.role]];
  const { server, pin } = await withAdmin(flags, async (client) => {
    const found = await doorOf({ ...flags, authority, client, clock: systemClock });
    await client.create(
      SecretKind,
      bootstrapTokenSecret({
        id,
        secret,
        groups,
        vouchedBy: token.authorityHash,
        ...(expiresMs && { expiresMs }),
        ...(description && { description }),
      }),
    );
    return found;
  });
  const text = joinTokenText(token);
  const role = flags.role === 'server' ? ' --role server' : '';
  const rest = `${server} --token ${text}${role}`;
  const command = `gantry join ${rest}`;
  const install = `${fetchLine(pin, server)} | sh -s -- ${rest}`;
  return { server, token: text, command, install, args: `${server}${role}`, pin, expires };
}

/** `gantry token create`: prints the command by which a machine joins. */
export async function createToken(flags: MakeFlags): Promise<number> {
  const { server, token, command, install, expires } = await makeLines(flags);
  if (flags.output === 'json') {
    const facts = { server, token, command, install, ...(expires && { expires }) };
    process.stdout.write(`${JSON.stringify(facts)}\n`);
    return 0;
  }
  const until = expires ? `for ${humanDuration(flags.ttl)}` : 'until it is removed';
  process.stderr.write(`Run this as root on the machine that is to join. It can be used ${until}.\n\n`);
  process.stdout.write(`${install}\n`);
  process.stderr.write('\nFor systemd to run it from each start on: put GANTRY_SERVICE=1 before "sh".\n');
  process.stderr.write(`Where gantry is installed already: ${command}\n`);
  return 0;
}

/** `gantry cloud-config`: prints user data for cloud-init, by which a machine joins at its first start and from then on. */
export async function cloudConfig(flags: MakeFlags & { proxy?: string }): Promise<number> {
  process.stdout.write(cloudConfigText(await makeLines(flags), flags.proxy));
  return 0;
}

/** At least ten minutes, when nobody is there that answers. */
const FETCHES = 120;

/**
 * A script that asks for the join script until there is a server, but not for ever: the machine's start would never be over. The token
 * is in no argument, which everybody on the machine may read; curl is fetched only where it is missing, for not every machine reaches
 * its distribution. Source: cloud-init documentation, "Cloud config examples".
 */
export function cloudConfigText(
  line: { pin: string; server: string; token: string; args: string },
  proxy?: string,
): string {
  const fetch = fetchLine(line.pin, line.server, '--connect-timeout 5 --max-time 30');
  // What is no letter of a URL is written by its number, but for quotes.
  const by = parseProxy(proxy)?.href.replaceAll("'", '%27');
  const way = by ? `  export https_proxy='${by}' http_proxy='${by}'\n` : '';
  const script = `(
${way}  command -v curl >/dev/null || { apt-get update && apt-get install -y curl; } || dnf install -y curl ||
    zypper --non-interactive install curl
  tries=0
  until ${fetch} >/run/gantry-join.sh; do
    tries=$((tries + 1))
    [ $tries -lt ${FETCHES} ] || { echo "gantry: ${line.server} did not answer: this machine has not joined" >&2; exit 1; }
    sleep 5
  done
  export GANTRY_SERVICE=1 GANTRY_TOKEN=${line.token}
  exec sh /run/gantry-join.sh ${line.args}
)
`;
  return `#cloud-config\n${stringify({ runcmd: [script] }, { lineWidth: 0 })}`;
}

/** curl takes the script from the holder of the server's key alone: nobody on the way can give another one. */
function fetchLine(pin: string, server: string, more = ''): string {
  return `curl -fsSk ${more && `${more} `}--pinnedpubkey '${pin}' ${server}${WELL_KNOWN}/join.sh`;
}

interface TokenRow {
  id: string;
  expires: string | undefined;
  role: Role;
  description: string;
}

/** `gantry token ls`: without the secrets. */
export async function listTokens(flags: Flags): Promise<number> {
  const { items } = await withAdmin(flags, (client) =>
    client.list(SecretKind, {
      namespace: BOOTSTRAP_TOKEN_NAMESPACE,
      fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
    }),
  );
  const rows = items.map(rowOf).sort((a, b) => (a.id < b.id ? -1 : 1));
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify(rows)}\n`);
  else if (rows.length === 0) process.stdout.write('no tokens: make one with "gantry token create"\n');
  else
    process.stdout.write(
      formatTable([
        ['ID', 'ROLE', 'TTL', 'DESCRIPTION'],
        ...rows.map(({ id, role, expires, description }) => [id, role, leftOf(expires), description]),
      ]),
    );
  return 0;
}

function rowOf(secret: Secret): TokenRow {
  const text = (key: BootstrapTokenKey) => bootstrapTokenField(secret, key);
  return {
    id: secret.metadata.name.slice(bootstrapTokenName('').length),
    role: text('auth-extra-groups').split(',').includes(GROUPS.server) ? 'server' : 'node',
    expires: text('expiration') || undefined,
    description: text('description'),
  };
}

function leftOf(expires: string | undefined): string {
  if (expires === undefined) return '<forever>';
  const leftMs = Date.parse(expires) - systemClock.now();
  return leftMs > 0 ? humanDuration(leftMs) : '<expired>';
}

/** `gantry token rm`. Exit code 1 when one of them is not there. */
export async function removeTokens(ids: readonly string[], flags: Flags): Promise<number> {
  return await withAdmin(flags, async (client) => {
    let code = 0;
    for (const id of ids) {
      try {
        await client.delete(SecretKind, {
          name: bootstrapTokenName(id),
          namespace: BOOTSTRAP_TOKEN_NAMESPACE,
        });
        process.stdout.write(`removed ${id}\n`);
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error;
        process.stderr.write(`gantry: there is no token ${id}\n`);
        code = 1;
      }
    }
    return code;
  });
}
