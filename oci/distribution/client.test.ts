import { describe, expect, test } from 'vitest';
import { MANIFEST_TYPES } from '../media-types.ts';
import { parseReference } from '../reference.ts';
import { RegistryClient } from './client.ts';

const REGISTRY = 'https://registry.example';
const MANIFEST = `${REGISTRY}/v2/app/manifests/1`;
const credentials = { username: 'me', password: 'secret' };
const { signal } = new AbortController();

/** A client of registry.example, whose every request is answered from `answers` and noted in `seen`. */
function client(answers: Record<string, () => Response>, credentialsOf = credentials) {
  const seen: [url: string, authorization: string | undefined][] = [];
  const fetch = async (url: string, init: RequestInit) => {
    seen.push([url, (init.headers as Record<string, string>)['authorization']]);
    expect(init.redirect).toBe('manual');
    return answers[url.split('?')[0]!]?.() ?? new Response('no such place', { status: 404 });
  };
  return {
    seen,
    registry: new RegistryClient(parseReference('registry.example/app:1'), fetch, credentialsOf),
  };
}

const manifest = () => new Response('{}', { headers: { 'content-type': MANIFEST_TYPES[0]! } });
const to = (location: string) => () => new Response(null, { status: 307, headers: { location } });
const challenge = (realm: string) => () =>
  new Response(null, { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } });

describe('a redirect', () => {
  test('to another server is followed without the credentials', async () => {
    const basic = () => new Response(null, { status: 401, headers: { 'www-authenticate': 'Basic' } });
    let asked = 0;
    const { registry, seen } = client({
      [MANIFEST]: () => (asked++ === 0 ? basic() : to('https://cdn.example/x')()),
      'https://cdn.example/x': manifest,
    });
    await registry.manifest('1', signal);
    expect(seen[1]![1]).toMatch(/^Basic /);
    expect(seen[2]).toEqual(['https://cdn.example/x', undefined]);
  });

  test.each(['http://169.254.169.254/secrets', 'http://registry.example/v2/', 'file:///etc/passwd', '//['])(
    'to %s is not followed',
    async (location) => {
      const { registry, seen } = client({ [MANIFEST]: to(location) });
      await expect(registry.manifest('1', signal)).rejects.toMatchObject({
        code: 'Unreachable',
        message: expect.stringContaining('is not followed'),
      });
      expect(seen).toHaveLength(1);
    },
  );

  test('that never ends is left', async () => {
    const { registry, seen } = client({ [MANIFEST]: to(MANIFEST) });
    await expect(registry.manifest('1', signal)).rejects.toThrow('more than 5 redirects');
    expect(seen).toHaveLength(6);
  });
});

describe('a token server', () => {
  test('gets the credentials when it is encrypted', async () => {
    let asked = 0;
    const { registry, seen } = client({
      [MANIFEST]: () => (asked++ === 0 ? challenge('https://auth.example/token')() : manifest()),
      'https://auth.example/token': () => new Response('{"token":"t"}'),
    });
    await registry.manifest('1', signal);
    expect(seen.map(([, authorization]) => authorization?.split(' ')[0])).toEqual([
      undefined,
      'Basic',
      'Bearer',
    ]);
  });

  test.each(['http://auth.example/token', 'http://169.254.169.254/', 'nonsense'])(
    'at %s is not trusted',
    async (realm) => {
      const { registry, seen } = client({ [MANIFEST]: challenge(realm) });
      await expect(registry.manifest('1', signal)).rejects.toMatchObject({ code: 'Unauthorized' });
      expect(seen).toHaveLength(1);
    },
  );
});

test('an endless or strange answer is cut short in the error', async () => {
  const endless = new ReadableStream({ pull: (stream) => stream.enqueue(Buffer.alloc(1024, 'x')) });
  const { registry } = client({ [MANIFEST]: () => new Response(endless, { status: 500 }) });
  const error = (await registry.manifest('1', signal).catch((fault) => fault)) as Error;
  expect(error.message).toMatch(/x{200}$/);
  expect(error.message.length).toBeLessThan(400);
});
