import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuthorityState } from '#api/semantics/authorities.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import type { Files } from '#machinery/io.ts';
import { bundleOf, certificatesIn } from '#machinery/pki/bundle.ts';
import { isPair, isSignedBy, type KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { pkiDirectory } from '#machinery/pki/directory.ts';
import { makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import { AuthorityKeyError, adopt as adoptOne, makeSuccessor } from './adopt.ts';
import { afterStep } from './plan.ts';

const PKI = '/d/pki';
const clock = new VirtualClock();
const random = seededRandom(1);
let old: KeyAndCertificate;
let made: KeyAndCertificate;
beforeAll(async () => {
  old = await makeAuthority('old', 1e10, clock, random);
  made = await makeAuthority('made', 1e10, clock, random);
});

let files: MemoryFiles;
beforeEach(async () => {
  files = new MemoryFiles();
  await files.mkdir(PKI, 0o700);
  await put('server-ca.crt', old.certificate);
  await put('server-ca.key', old.key);
});
const put = (name: string, text: string) => files.write(`${PKI}/${name}`, text, 0o600);
const text = async (name: string) => {
  const bytes = await files.read(`${PKI}/${name}`);
  return bytes && Buffer.from(bytes).toString();
};
const nobody = () => Promise.reject(new Error('nobody is to be asked'));
const authority = () => pkiDirectory(PKI, { files, clock, random }).authority('server-ca', 'other');

const STABLE = () => ({ bundle: old.certificate, phase: 'stable' as const });
const TRUST = () => afterStep(STABLE(), 'trust', 0, { made: made.certificate, cross: 'CROSS' });
const ISSUE = () => afterStep(TRUST(), 'issue', 0);
const DROP = () => afterStep(ISSUE(), 'drop', 0);
const adopt = (files: Files, state: AuthorityState, others: () => Promise<string[]>) =>
  adoptOne(files, PKI, 'server-ca', state, others);

describe('a server follows', () => {
  test('each step, with the keys it made itself', async () => {
    const successor = await makeSuccessor(files, PKI, 'server-ca', { clock, random });
    const { made: certificate, cross } = successor;
    expect(isSignedBy(cross!, old.certificate)).toBe(true);
    const trust = afterStep(STABLE(), 'trust', 0, successor);
    expect(await adopt(files, trust, nobody)).toBe(true);
    expect(await adopt(files, trust, nobody)).toBe(false);
    expect(await authority()).toMatchObject({ key: old.key });
    const issue = afterStep(trust, 'issue', 0);
    expect(await adopt(files, issue, nobody)).toBe(true);
    expect((await authority()).certificate).toBe(certificate.trimEnd());
    expect(isPair(await authority())).toBe(true);
    expect(await text('server-ca.next.key')).toBeUndefined();
    expect(await text('server-ca.cross.crt')).toBe(cross);
    expect(await adopt(files, afterStep(issue, 'drop', 0), nobody)).toBe(true);
    expect(certificatesIn((await text('server-ca.crt'))!)).toEqual([certificate.trimEnd()]);
    expect(await text('server-ca.cross.crt')).toBeUndefined();
  });

  test('with keys that it gets from another one, also one that was away meanwhile', async () => {
    for (const state of [TRUST(), ISSUE(), DROP()]) {
      const asked: string[] = [];
      const others = async () => {
        asked.push(state.phase);
        return [old.key, made.key];
      };
      expect(await adopt(files, state, others)).toBe(true);
      expect(asked).toHaveLength(state.phase === 'trust' ? 1 : 0);
      expect(await adopt(files, state, nobody)).toBe(false);
    }
    await put('server-ca.crt', old.certificate);
    await put('server-ca.key', old.key);
    expect(await adopt(files, DROP(), async () => [made.key])).toBe(true);
    expect(await authority()).toMatchObject({ key: made.key });
  });

  test('not without the key: nothing is changed', async () => {
    const before = new Map([...['server-ca.crt', 'server-ca.key']].map((name) => [name, text(name)]));
    await expect(adopt(files, ISSUE(), async () => [old.key])).rejects.toThrow(AuthorityKeyError);
    for (const [name, content] of before) expect(await text(name)).toBe(await content);
  });

  test('whatever write is the last before a crash: it starts, and goes on', async () => {
    await adopt(files, TRUST(), async () => [made.key]);
    const writes = 5;
    for (let last = 0; last < writes; last++) {
      const crashing = new MemoryFiles();
      await crashing.mkdir(PKI, 0o700);
      for (const name of ['server-ca.crt', 'server-ca.key', 'server-ca.next.key'])
        await crashing.write(`${PKI}/${name}`, (await text(name))!, 0o600);
      let left = last;
      const failing = new Proxy(crashing, {
        get(target, name) {
          const value = target[name as keyof MemoryFiles] as unknown;
          if (name !== 'write' && name !== 'remove')
            return typeof value === 'function' ? value.bind(target) : value;
          return (...args: unknown[]) => {
            if (left-- === 0) throw new Error('crash');
            return (value as (...all: unknown[]) => unknown).apply(target, args);
          };
        },
      });
      await adopt(failing, ISSUE(), nobody).catch(() => {});
      const started = pkiDirectory(PKI, { files: crashing, clock, random });
      expect(isPair(await started.authority('server-ca', 'x')), String(last)).toBe(true);
      await adopt(crashing, ISSUE(), nobody);
      expect(await started.authority('server-ca', 'x')).toMatchObject({ key: made.key });
      expect(await started.trusted('server-ca')).toBe(bundleOf([made.certificate, old.certificate]));
    }
  });
});
