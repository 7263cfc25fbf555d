import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '#machinery/clock.ts';
import { bundleOf } from '#machinery/pki/bundle.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { crossCertify, issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom, systemRandom } from '#machinery/random.ts';
import { authoritiesWith, joinTokenText, makeJoinToken, parseJoinToken } from './join-token.ts';
import { cloudConfigText } from './token.ts';

const authority = async (name: string) =>
  (await makeAuthority(name, 3_600_000, systemClock, systemRandom)).certificate;

describe('join tokens', () => {
  test('are read as they are written', async () => {
    const token = makeJoinToken(await authority('ca'), seededRandom(1));
    expect(token.id).toMatch(/^[a-z0-9]{6}$/);
    expect(token.secret).toMatch(/^[a-z0-9]{16}$/);
    expect(parseJoinToken(joinTokenText(token))).toEqual(token);
  });

  test.each([
    '',
    'abcdef.0123456789abcdef',
    `abcdef.0123456789abcdef.${'g'.repeat(64)}`,
    `ABCDEF.0123456789abcdef.${'0'.repeat(64)}`,
  ])('are not %j', (text) => {
    expect(parseJoinToken(text)).toBeUndefined();
  });

  test('believe the authority they were made for, and no other', async () => {
    const [own, other] = [await authority('ca'), await authority('ca')];
    const hash = keyHashOf(own);
    expect(authoritiesWith(`${other}\n${own}`, hash).trim()).toBe(own.trim());
    expect(authoritiesWith(other, hash)).toBe('');
    expect(authoritiesWith('nonsense', hash)).toBe('');
  });

  test('believe the one that took its place, when theirs has certified it', async () => {
    const make = (name: string) => makeAuthority(name, 3_600_000, systemClock, systemRandom);
    const [old, made, stranger] = await Promise.all([make('old'), make('made'), make('stranger')]);
    const hash = keyHashOf(old.certificate);
    const cross = await crossCertify(old, made.certificate, systemClock, systemRandom);
    const all = bundleOf([made.certificate, old.certificate, cross, stranger.certificate]);
    const both = bundleOf([made.certificate, old.certificate]);
    expect(authoritiesWith(all, hash)).toBe(both);
    expect(authoritiesWith(all, keyHashOf(made.certificate))).toBe(bundleOf([made.certificate]));
    const forged = await crossCertify(stranger, made.certificate, systemClock, systemRandom);
    expect(authoritiesWith(bundleOf([made.certificate, old.certificate, forged]), hash)).toBe(
      bundleOf([old.certificate]),
    );
    // What a server shows is certified by it, too, and is no authority.
    const order = { subject: { commonName: 'x' }, usages: ['server' as const], lifetimeMs: 1e6 };
    const leaf = await issueCertificate(old, order, systemClock, systemRandom, stranger.key);
    const posing = bundleOf([stranger.certificate, old.certificate, leaf.certificate]);
    expect(authoritiesWith(posing, hash)).toBe(bundleOf([old.certificate]));
  });
});

describe('user data for cloud-init', () => {
  const line = {
    ...{
      pin: 'sha256//a/b=',
      server: 'https://h:6443',
      token: 'a.b.c',
      args: 'https://h:6443 --role server',
    },
  };
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-user-data-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs the script as cloud-init does, with programs that only say what they were told. */
  function run(programs: Record<string, string>, proxy?: string) {
    const text = cloudConfigText(line, proxy);
    expect(text).toMatch(/^#cloud-config\n/);
    const { runcmd } = parse(text) as { runcmd: string[] };
    for (const [name, script] of Object.entries(programs))
      writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const script = runcmd.join('\n').replaceAll('/run/gantry-join.sh', join(directory, 'join.sh'));
    return spawnSync('/bin/sh', [], { input: script, encoding: 'utf8', env: { PATH: directory } });
  }
  const JOIN = `echo 'echo "$@" "$GANTRY_TOKEN" "$GANTRY_SERVICE"'`;

  test('runs the script of the server as a service, once it answers, and shows nobody the token', () => {
    const { stdout, stderr, status } = run({
      sh: 'exec /bin/sh "$@"',
      sleep: `>${directory}/is-up`,
      curl: `echo "curl $*" >&2; [ -e ${directory}/is-up ] || exit 7; ${JOIN}`,
    });
    expect(stdout).toBe('https://h:6443 --role server a.b.c 1\n');
    const fetch =
      'curl -fsSk --connect-timeout 5 --max-time 30 --pinnedpubkey sha256//a/b= https://h:6443/.well-known/gantry/join.sh\n';
    expect(stderr).toBe(fetch.repeat(2));
    expect(status).toBe(0);
  });

  test('goes by the proxy that is meant for it, whatever its password is', () => {
    const { stdout } = run(
      { sh: 'exec /bin/sh "$@"', curl: `echo 'echo "$https_proxy $http_proxy"'` },
      "http://user:it's$HOME`id`@10.0.0.9:3128",
    );
    const url = 'http://user:it%27s$HOME%60id%60@10.0.0.9:3128/';
    expect(stdout).toBe(`${url} ${url}\n`);
  });

  test('gives up at some time, and says so', () => {
    const { stdout, stderr, status } = run({ curl: 'exit 7', sleep: '' });
    expect(stdout).toBe('');
    expect(stderr).toBe('gantry: https://h:6443 did not answer: this machine has not joined\n');
    expect(status).toBe(1);
  });

  test('fetches curl where there is none', () => {
    const { stdout, stderr } = run({
      sh: 'exec /bin/sh "$@"',
      dnf: `echo "dnf $*" >&2; echo "#!/bin/sh\n${JOIN.replaceAll('"', '\\"').replaceAll('$', '\\$')}" >${directory}/curl; /bin/chmod +x ${directory}/curl`,
    });
    expect(stderr).toContain('dnf install -y curl\n');
    expect(stdout).toBe('https://h:6443 --role server a.b.c 1\n');
  });
});
