import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const GROUP = '/apis/networking.k8s.io/v1';
const INGRESSES = `${GROUP}/namespaces/default/ingresses`;
const DEFAULT = { 'ingressclass.kubernetes.io/is-default-class': 'true' };

let clock: VirtualClock;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;
beforeEach(async () => {
  clock = new VirtualClock();
  server = await startTestServer({ clock });
  call = callsTo(server);
});
afterEach(() => server.stop());

const makeClass = async (name: string, annotations = {}) => {
  const made = await call('POST', `${GROUP}/ingressclasses`, {
    metadata: { name, annotations },
    spec: { controller: 'example.com/proxy' },
  });
  expect(made.status).toBe(201);
  await server.engine.fresh();
};

let count = 0;
/** The class that a new ingress has. */
const classOf = async (spec: object = {}, annotations = {}) => {
  const { body } = await call('POST', INGRESSES, {
    metadata: { name: `i${++count}`, annotations },
    spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } }, ...spec },
  });
  return body.spec.ingressClassName;
};

describe('an ingress without a class', () => {
  it('gets the default one, of several the newest', async () => {
    await makeClass('plain');
    expect(await classOf()).toBeUndefined();
    await makeClass('b', DEFAULT);
    await makeClass('a', DEFAULT);
    expect(await classOf()).toBe('a');
    await clock.advance(60_000);
    await makeClass('c', DEFAULT);
    expect(await classOf()).toBe('c');
  });

  it('keeps the class that it names in either way, and none when it is only changed', async () => {
    expect(await classOf({ ingressClassName: 'mine' })).toBe('mine');
    expect(await classOf()).toBeUndefined();
    await makeClass('a', DEFAULT);
    expect(await classOf({ ingressClassName: 'mine' })).toBe('mine');
    expect(await classOf({}, { 'kubernetes.io/ingress.class': 'old' })).toBeUndefined();
    const merge = { 'content-type': 'application/merge-patch+json' };
    const { body } = await call(
      'PATCH',
      `${INGRESSES}/i${count}`,
      { metadata: { labels: { a: 'b' } } },
      merge,
    );
    expect(body.spec.ingressClassName).toBeUndefined();
  });
});
