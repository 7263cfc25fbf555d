import { expect, test } from 'vitest';
import { proxyOf, registryProxy, serverProxy } from './proxy.ts';

const SERVER = new URL('https://10.0.0.1:6443');
const REGISTRY = new URL('https://registry.example.com/v2/');

test('servers are reached by the proxy of the flag, registries by those of the environment', () => {
  const environment = {
    GANTRY_PROXY: 'http://flag:1',
    https_proxy: 'http://lower:1',
    http_proxy: 'http://plain:1',
  };
  expect(serverProxy(environment)(SERVER)?.host).toBe('flag:1');
  expect(registryProxy(environment)(REGISTRY)?.host).toBe('lower:1');
  expect(registryProxy(environment)(new URL('http://registry:5000'))?.host).toBe('plain:1');
  expect(serverProxy({ HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1' })(SERVER)?.host).toBe(
    'upper:1',
  );
  expect(serverProxy({})(SERVER)).toBeUndefined();
});

test('NO_PROXY holds for the flag too, and this machine is never reached by a proxy', () => {
  const environment = { GANTRY_PROXY: 'http://flag:1', no_proxy: '10.0.0.0/8' };
  expect(serverProxy(environment)(SERVER)).toBeUndefined();
  expect(serverProxy({ ...environment, NO_PROXY: 'a' })(new URL('https://127.0.0.1:6443'))).toBeUndefined();
});

test('a flag that names no proxy is refused', () => {
  expect(proxyOf('http://user:password@p:3128')).toBe('http://user:password@p:3128');
  expect(() => proxyOf('socks5://p')).toThrow('this is no proxy');
});
