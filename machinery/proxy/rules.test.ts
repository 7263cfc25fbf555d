import { describe, expect, test } from 'vitest';
import { parseProxy, proxyRules } from './rules.ts';

const used = (target: string, none: string) =>
  proxyRules({ https: 'http://p:3128', http: 'http://plain:80', none })(new URL(target)) !== undefined;

/** Source: the cases of golang.org/x/net/http/httpproxy, put into words of ours. */
describe('what is reached without a proxy', () => {
  test.each<[string, string, boolean]>([
    ['', 'https://registry.example.com', true],
    ['example.com', 'https://example.com', false],
    ['example.com', 'https://registry.example.com:5000', false],
    ['example.com', 'https://badexample.com', true],
    ['.example.com', 'https://example.com', true],
    ['.example.com', 'https://registry.example.com', false],
    ['*.example.com', 'https://registry.example.com', false],
    ['EXAMPLE.com', 'https://Example.COM', false],
    ['example.com:443', 'https://example.com', false],
    ['example.com:8443', 'https://example.com', true],
    ['example.com:8443', 'https://example.com:8443', false],
    ['example.com', 'https://example.com.', false],
    ['*', 'https://example.com', false],
    ['a.org, example.com ,b.org', 'https://example.com', false],
    ['10.0.0.0/8', 'https://10.1.2.3:6443', false],
    ['10.0.0.0/8', 'https://11.1.2.3:6443', true],
    ['10.1.2.9/24', 'https://10.1.2.3:6443', false],
    ['10.1.2.3', 'https://10.1.2.3:6443', false],
    ['10.1.2.3:6443', 'https://10.1.2.3:6443', false],
    ['10.1.2.3:6444', 'https://10.1.2.3:6443', true],
    ['1.2.3', 'https://10.1.2.3', true],
    ['fd00::/8', 'https://[fd00::1]:6443', false],
    ['fd00::1', 'https://[fd00::1]:6443', false],
    ['[fd00::1]:6443', 'https://[fd00::1]:6443', false],
    ['[fd00::1]:6444', 'https://[fd00::1]:6443', true],
    ['10.0.0.0/8', 'https://ten.example.com', true],
    [',, .,:80', 'https://example.com', true],
    ['', 'https://localhost:6443', false],
    ['', 'https://127.0.0.2:6443', false],
    ['', 'https://[::1]:6443', false],
  ])('NO_PROXY=%s, %s: by the proxy: %s', (none, target, expected) => {
    expect(used(target, none)).toBe(expected);
  });
});

test('the proxy is that of the scheme', () => {
  const both = proxyRules({ https: 'https://p:443', http: 'plain:80' });
  expect(both(new URL('https://a'))?.href).toBe('https://p/');
  expect(both(new URL('http://a'))?.href).toBe('http://plain/');
  expect(proxyRules({ https: 'p:1' })(new URL('http://a'))).toBeUndefined();
  expect(proxyRules({ https: '' })(new URL('https://a'))).toBeUndefined();
});

test('what is no proxy is refused, without telling what it was', () => {
  for (const text of [
    'socks5://user:secret@p',
    'http://user:secret@',
    'http://p:99999',
    '://',
    'ftp://secret',
  ])
    expect(() => parseProxy(text)).toThrow(/^this is no proxy: write it as http:\/\/HOST:PORT or https/);
  expect(parseProxy('user:a%40b@p:3128')?.password).toBe('a%40b');
});
