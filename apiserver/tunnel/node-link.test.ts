import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { TUNNEL_PROTOCOLS } from '#api/node-link.ts';
import type { ConfigMap } from '#api/objects.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { collect } from '#machinery/transport.ts';
import { dialTcp } from '#machinery/tunnel/dial.ts';
import { answerTunnel, STREAM_CLASSES, type StreamClass } from '#machinery/tunnel/tunnel.ts';
import type { RequestContext } from '../contract.ts';
import { FakeEngine } from '../fake/engine.ts';
import { FakeNodeLink } from '../fake/node-link.ts';
import { tunnelHandler } from './handler.ts';
import { type MakeLink, nodeLinkConformance } from './node-link.conformance.ts';
import { NodeLinks } from './node-links.ts';
import { dropRemovedNodes } from './removed-nodes.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

function agent() {
  const server = createServer((request, response) => {
    if (request.url === '/long') response.end(Buffer.alloc(8 * 1024 * 1024, 'x'));
    else if (request.url === '/medium') response.end(Buffer.alloc(1024 * 1024, 'x'));
    else if (request.url === '/endless') response.write('more');
    else response.end(`${request.method} ${request.url}`);
  });
  server.on('upgrade', (request, socket) => {
    if (request.url === '/refuse') {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\n\r\ncontainer is not running');
      return;
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  const dial = async (address: string): Promise<Duplex> => {
    if (address !== 'echo:7') throw new Error(`connect ECONNREFUSED ${address}`);
    const [ours, theirs] = duplexPair();
    theirs.pipe(theirs);
    return ours;
  };
  return { server, dial };
}

/** Two ends of one TCP connection on loopback. */
async function tcpPair(): Promise<[Socket, Socket]> {
  const listener = createTcp({ allowHalfOpen: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection');
  const dialled = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1' });
  const [[socket]] = (await Promise.all([accepted, once(dialled, 'connect')])) as [[Socket], unknown];
  listener.close();
  open.push({ close: () => dialled.destroy() });
  return [socket, dialled];
}

const bySocket: MakeLink = async (server, dial) => {
  const links = new NodeLinks(systemClock);
  const end = new AbortController();
  const targets = { dial, agent: (stream: Duplex) => server.emit('connection', stream) };
  const ends = STREAM_CLASSES.map(async (use) => {
    const [accepted, dialled] = await tcpPair();
    links.accept('n1', use, accepted);
    const gone = answerTunnel(dialled, { use, targets, clock: systemClock, signal: end.signal });
    return { gone, closed: once(accepted, 'close') };
  });
  const tunnels = await Promise.all(ends);
  open.push({ close: () => end.abort() });
  return {
    link: links,
    async disconnect() {
      end.abort();
      await Promise.all(tunnels.flatMap(({ gone, closed }) => [gone, closed]));
    },
  };
};

describe('tunnels over a socket', () => nodeLinkConformance(bySocket, agent));

describe('the fake', () =>
  nodeLinkConformance(async (server, dial) => {
    const link = new FakeNodeLink(systemClock);
    link.connect('n1', server, dial);
    return { link, disconnect: async () => link.disconnect('n1') };
  }, agent));

describe('a tunnel', () => {
  const answering = async (links: NodeLinks, name: string, use: StreamClass = 'interactive') => {
    const [accepted, dialled] = await tcpPair();
    const server: Server = createServer((_request, response) => response.end(name));
    links.accept('n1', use, accepted);
    const targets = { dial: agent().dial, agent: (stream: Duplex) => server.emit('connection', stream) };
    return { gone: answerTunnel(dialled, { use, targets, clock: systemClock }), dialled };
  };
  const answer = async (links: NodeLinks, use: StreamClass) => {
    const { body } = await links.open('n1', use).request({ method: 'GET', path: '/', headers: {} });
    return Buffer.from(await collect(body)).toString();
  };

  test('takes the place of an older one of the same node and class, whose end changes nothing', async () => {
    const links = new NodeLinks(systemClock);
    const first = await answering(links, 'first');
    await answering(links, 'bulk', 'bulk');
    await answering(links, 'second');
    await first.gone;
    expect(await answer(links, 'interactive')).toBe('second');
    expect(await answer(links, 'bulk')).toBe('bulk');
    links.close();
  });

  test('that breaks ends its own streams; what comes then goes through the other one', async () => {
    const links = new NodeLinks(systemClock);
    await answering(links, 'interactive');
    const bulk = await answering(links, 'bulk', 'bulk');
    const [typed, copied] = [
      await links.dial('n1', 'echo:7', 'interactive'),
      await links.dial('n1', 'echo:7', 'bulk'),
    ];
    const broken = once(copied, 'error');
    bulk.dialled.destroy();
    expect(((await broken) as [Error])[0].message).toBe('the other side ended the connection');
    typed.end('still here');
    expect(Buffer.concat(await typed.toArray()).toString()).toBe('still here');
    expect(links.connected('n1')).toBe(true);
    // The bulk one is waited for, in vain.
    expect(await answer(links, 'bulk')).toBe('interactive');
    links.close();
  });

  test('is waited for when it is to come, so that no flood takes the one for keystrokes', async () => {
    const links = new NodeLinks(systemClock);
    await answering(links, 'interactive');
    const asked = answer(links, 'bulk');
    await answering(links, 'bulk', 'bulk');
    expect(await asked).toBe('bulk');
    links.close();
  });

  test('ends when its node is removed, and no other', async () => {
    const links = new NodeLinks(systemClock);
    const [end, objects] = [new AbortController(), new FakeEngine()];
    const keys = (n1: string): ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...NODE_KEYS },
      data: { n1, n2: 'f registered' },
    });
    objects.seed(ConfigMapKind, keys('f registered'));
    dropRemovedNodes(objects, links, end.signal);
    for (const node of ['n1', 'n2']) links.accept(node, 'interactive', duplexPair()[0]);
    objects.seed(ConfigMapKind, keys('f 0 registered'));
    expect(links.nodes()).toEqual(['n1', 'n2']);
    objects.seed(ConfigMapKind, keys('f removed=2026-01-01T00:00:00.000Z'));
    expect(links.nodes()).toEqual(['n2']);
    end.abort();
    links.close();
  });

  test('is opened by the node alone', async () => {
    const links = new NodeLinks(systemClock);
    const ask = (name: string, groups: string[]) => {
      const [client] = duplexPair();
      const context = {
        info: { name: 'n1', group: 'gantry.dev', resource: 'nodes' },
        request: { headers: { upgrade: TUNNEL_PROTOCOLS.interactive } },
        identity: { name, groups },
      } as unknown as RequestContext;
      return tunnelHandler(links).upgrade!(context, client, new FakeEngine());
    };
    for (const identity of [
      ['system:node:n2', ['system:nodes']],
      ['root', ['system:masters']],
    ] as const) {
      await expect(ask(identity[0], [...identity[1]])).rejects.toMatchObject({ reason: 'Forbidden' });
    }
    await ask('system:node:n1', ['system:nodes']);
    expect(links.connected('n1')).toBe(true);
    links.close();
  });
});

test('TCP is dialled by host and port; what is no address or does not listen is an error', async () => {
  await expect(dialTcp('nowhere', systemClock)).rejects.toThrow('no host:port');
  await expect(dialTcp('127.0.0.1:1', systemClock)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
