import { beforeEach, describe, expect, test } from 'vitest';
import type { Container, Probe } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { podWith } from '../pods/views.ts';
import { countResult } from './outcome.ts';
import { type ProbeNews, type Prober, prober } from './prober.ts';
import { httpTarget, portNumber } from './target.ts';
import type { ProbeIo } from './try.ts';

let clock: VirtualClock;
let answer: () => Promise<{ status: number; body: string }>;
let tries: number;
let news: string[];
let events: string[];
let stop: AbortController;
let probes: Prober;

beforeEach(() => {
  clock = new VirtualClock();
  answer = async () => ({ status: 200, body: '' });
  tries = 0;
  news = [];
  events = [];
  stop = new AbortController();
  const io: ProbeIo = {
    httpGet: () => {
      tries++;
      return answer();
    },
    tcpConnect: async () => {},
    grpcCheck: async () => ({ ok: true, message: '' }),
    runtime: { exec: () => new Promise(() => {}) },
    clock,
  };
  const recorder = {
    record: (_: unknown, __: string, why: { message?: string }) => void events.push(why.message ?? ''),
  };
  probes = prober(io, recorder as never, stop.signal);
});

const HTTP: Probe = { httpGet: { port: 80 }, periodSeconds: 10, failureThreshold: 2 };

function start(part: Partial<Container>, alreadyStarted = false): void {
  const container: Container = { name: 'main', image: 'i', ...part };
  probes.start({
    pod: podWith(),
    container,
    target: { sandbox: 'uid-1', containerId: 'main.0', container, podIP: '10.244.0.2' },
    startedAtMs: clock.now(),
    alreadyStarted,
    tell: (one: ProbeNews) => void news.push(one.is === 'ready' ? `ready ${one.ready}` : one.is),
  });
}

const status = (code: number) => async () => ({ status: code, body: '' });

test('a container without probes is started and ready at once', () => {
  start({});
  expect(news).toEqual(['started', 'ready true']);
});

test('readiness comes with its first success and goes after enough failures', async () => {
  start({ readinessProbe: { ...HTTP, initialDelaySeconds: 5 } });
  await clock.advance(4_999);
  expect(news).toEqual(['started']);
  await clock.advance(1);
  expect(news).toEqual(['started', 'ready true']);
  answer = status(500);
  await clock.advance(10_000);
  expect(news.at(-1)).toBe('ready true');
  await clock.advance(10_000);
  expect(news.at(-1)).toBe('ready false');
  expect(events.at(-1)).toBe('Readiness probe failed: HTTP probe failed with statuscode: 500');
});

test('a startup probe holds back the others until it has passed', async () => {
  answer = status(503);
  start({ startupProbe: { ...HTTP, failureThreshold: 5 }, livenessProbe: HTTP });
  await clock.advance(15_000);
  expect(news).toEqual([]);
  answer = status(200);
  await clock.advance(10_000);
  expect(news).toEqual(['started', 'ready true']);
});

test('one that passed before the agent was restarted is not asked again', () => {
  answer = status(503);
  start({ startupProbe: HTTP }, true);
  expect(news).toEqual(['started', 'ready true']);
});

test('a failed liveness probe is told once, and probing ends', async () => {
  answer = status(500);
  start({ livenessProbe: HTTP });
  await clock.advance(60_000);
  expect(news).toEqual(['started', 'ready true', 'unhealthy']);
  expect(tries).toBe(2);
});

test('a stopped container is not probed, nor told of an answer on its way', async () => {
  let give: (() => void) | undefined;
  answer = () =>
    new Promise((resolve) => {
      give = () => resolve({ status: 200, body: '' });
    });
  start({ readinessProbe: HTTP });
  await clock.advance(100);
  probes.stop('uid-1', 'main.0');
  give!();
  await clock.advance(60_000);
  expect(news).toEqual(['started']);
  expect(tries).toBe(1);
});

test('a command that the runtime does not get to start fails after its timeout', async () => {
  start({ livenessProbe: { exec: { command: ['check'] }, timeoutSeconds: 3, failureThreshold: 1 } });
  await clock.advance(3_100);
  expect(events).toEqual(['Liveness probe failed: command timed out: "check" timed out after 3s']);
  expect(news.at(-1)).toBe('unhealthy');
});

describe('thresholds', () => {
  test('count results in a row', () => {
    const probe: Probe = { successThreshold: 2, failureThreshold: 3 };
    let count: ReturnType<typeof countResult>['count'] | undefined;
    const verdicts = [true, true, false, false, true, false, false, false].map((ok) => {
      const counted = countResult(count, ok, probe);
      count = counted.count;
      return counted.verdict;
    });
    expect(verdicts).toEqual([undefined, true, undefined, undefined, undefined, undefined, undefined, false]);
  });
});

describe('the target', () => {
  const container: Container = { name: 'main', image: 'i', ports: [{ name: 'web', containerPort: 8080 }] };
  test('is the pod, at a port by number or by name', () => {
    expect(httpTarget({ port: 'web', path: 'healthz' }, container, '10.244.0.2')).toMatchObject({
      scheme: 'http',
      host: '10.244.0.2',
      port: 8080,
      path: '/healthz',
    });
    expect(portNumber(81, container)).toBe(81);
    expect(() => portNumber('nosuch', container)).toThrow("couldn't find port: nosuch");
  });
  test('has the headers the probe names, and only once', () => {
    const httpHeaders = [
      { name: 'User-Agent', value: 'me' },
      { name: 'Host', value: 'web.test' },
    ];
    expect(httpTarget({ port: 80, httpHeaders, scheme: 'HTTPS' }, container, '::1')).toMatchObject({
      scheme: 'https',
      headers: { 'user-agent': 'me', host: 'web.test' },
    });
  });
});
