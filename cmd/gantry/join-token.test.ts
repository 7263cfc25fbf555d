import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '#machinery/clock.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { makeAuthority } from '#machinery/pki/issue.ts';
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
});

test('user data for cloud-init is YAML that runs the line', () => {
  const text = cloudConfigText({
    fetch: "curl -fsSk --pinnedpubkey 'sha256//a/b=' https://h:6443/join.sh",
    rest: 'https://h:6443 --token a.b.c',
  });
  expect(text).toMatch(/^#cloud-config\n/);
  const { runcmd } = parse(text);
  expect(runcmd).toEqual([
    [
      'sh',
      '-c',
      "until curl -fsSk --pinnedpubkey 'sha256//a/b=' https://h:6443/join.sh >/run/gantry-join.sh; do sleep 5; done; GANTRY_SERVICE=1 sh /run/gantry-join.sh https://h:6443 --token a.b.c",
    ],
  ]);
});
