import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { TUNNEL_PROTOCOL } from '#api/node-link.ts';
import type { ConfigMap } from '#api/objects.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { collect } from '#machinery/transport.ts';
import { dialTcp } from '#machinery/tunnel/dial.ts';
import { answerTunnel } from '#machinery/tunnel/tunnel.ts';
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
  const [accepted, dialled] = await tcpPair();
  const links = new NodeLinks(systemClock);
  links.accept('n1', accepted);
  const end = new AbortController();
  const gone = answerTunnel(
    dialled,
    { dial, agent: (stream) => server.emit('connection', stream) },
    systemClock,
    end.signal,
  );
  open.push({ close: () => end.abort() });
  return {
    link: links,
    async disconnect() {
      end.abort();
      await gone;
      await once(accepted, 'close');
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
  test('takes the place of an older one of the same node, whose end changes nothing', async () => {
    const links = new NodeLinks(systemClock);
    const answering = async (name: string) => {
      const [accepted, dialled] = await tcpPair();
      const server: Server = createServer((_request, response) => response.end(name));
      links.accept('n1', accepted);
      const targets = { dial: agent().dial, agent: (stream: Duplex) => server.emit('connection', stream) };
      return { gone: answerTunnel(dialled, targets, systemClock) };
    };
    const first = await answering('first');
    await answering('second');
    await first.gone;
    const { body } = await links.open('n1').request({ method: 'GET', path: '/', headers: {} });
    expect(Buffer.from(await collect(body)).toString()).toBe('second');
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
    for (const node of ['n1', 'n2']) links.accept(node, duplexPair()[0]);
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
        request: { headers: { upgrade: TUNNEL_PROTOCOL } },
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
