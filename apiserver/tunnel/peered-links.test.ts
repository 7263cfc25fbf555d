import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { LINK_PROTOCOL, SERVERS_GROUP } from '#api/node-link.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import type { TransportRequest, Upgraded } from '#machinery/transport.ts';
import { answerTunnel } from '#machinery/tunnel/tunnel.ts';
import type { RequestContext } from '../contract.ts';
import { FakeEngine } from '../fake/engine.ts';
import { requestInfo } from '../request-info.ts';
import { linkHandler } from './handler.ts';
import { NodeLinks } from './node-links.ts';
import { PeeredLinks } from './peered-links.ts';

const clock = new VirtualClock();
const open: NodeLinks[] = [];
afterEach(() => {
  for (const links of open.splice(0)) links.close();
});

/** Of a server that started long ago: it expects nobody. */
async function linksOf(...nodes: string[]): Promise<NodeLinks> {
  const links = new NodeLinks(clock);
  open.push(links);
  await clock.advance(3_000);
  for (const node of nodes) connect(links, node);
  return links;
}

/** The node says its name to who dials through it, and refuses port 9. */
function connect(links: NodeLinks, node: string): Duplex {
  const [ours, theirs] = duplexPair();
  const dial = async (address: string) => {
    if (address.endsWith(':9')) throw new Error(`connect ECONNREFUSED ${address}`);
    const [near, far] = duplexPair();
    far.end(`${node} ${address}`);
    return near;
  };
  void answerTunnel(theirs, { use: 'interactive', targets: { dial, agent: () => {} }, clock });
  links.accept(node, 'interactive', ours);
  return theirs;
}

/** Another server, as who is asked by its certificate; `asked` counts. */
function peerOf(links: NodeLinks, groups = [SERVERS_GROUP]) {
  const handler = linkHandler(links);
  const peer = {
    asked: 0,
    async upgrade(request: TransportRequest): Promise<Upgraded> {
      peer.asked++;
      const info = requestInfo(request.method, request.path);
      const context = { info, request, identity: { name: 'x', groups } } as unknown as RequestContext;
      return (await handler.upgrade!(context, duplexPair()[0], new FakeEngine()))!;
    },
  };
  return peer;
}

const failing = (message: string) => ({
  upgrade: () => Promise.reject(new StatusError('ServiceUnavailable', message)),
});
const silent = () => {
  const peer = {
    signals: [] as AbortSignal[],
    upgrade: ({ signal }: TransportRequest) =>
      new Promise<Upgraded>((_resolve, reject) => {
        peer.signals.push(signal!);
        signal!.addEventListener('abort', () => reject(new StatusError('ServiceUnavailable', 'aborted')));
      }),
  };
  return peer;
};
const heard = async (stream: Duplex) => Buffer.concat(await stream.toArray()).toString();

describe('a node', () => {
  test('that is connected here is reached from here: no other server is asked', async () => {
    const local = await linksOf('n1');
    const peer = peerOf(await linksOf('n1'));
    const links = new PeeredLinks({ local, peers: () => [peer], clock });
    expect(await heard(await links.dial('n1', 'pod:80', 'interactive'))).toBe('n1 pod:80');
    expect(peer.asked).toBe(0);
  });

  test('that is connected to another server is reached through it', async () => {
    const peers = [peerOf(await linksOf('n2')), peerOf(await linksOf('n1')), peerOf(await linksOf('n1'))];
    const links = new PeeredLinks({ local: await linksOf(), peers: () => peers, clock });
    expect(await heard(await links.dial('n1', 'pod:80', 'interactive'))).toBe('n1 pod:80');
    expect(peers.map(({ asked }) => asked)).toEqual([1, 1, 0]);
  });

  test('whose tunnel breaks while a stream is opened is reached through another server', async () => {
    const local = await linksOf();
    const theirs = connect(local, 'n1');
    const links = new PeeredLinks({ local, peers: () => [peer], clock });
    const peer = peerOf(await linksOf('n1'));
    const asked = links.dial('n1', 'pod:80', 'interactive');
    theirs.destroy();
    expect(await heard(await asked)).toBe('n1 pod:80');
  });

  test('whose tunnel here is dead, which nobody has noticed yet, is reached through another server after a second', async () => {
    const local = await linksOf();
    local.accept('n1', 'interactive', duplexPair()[0]);
    const peer = peerOf(await linksOf('n1'));
    const asked = new PeeredLinks({ local, peers: () => [peer], clock }).dial('n1', 'pod:80', 'interactive');
    await clock.advance(999);
    expect(peer.asked).toBe(0);
    await clock.advance(1);
    expect(await heard(await asked)).toBe('n1 pod:80');
  });

  test('that refuses does so once: it is there', async () => {
    const peer = peerOf(await linksOf('n1'));
    const links = new PeeredLinks({ local: await linksOf('n1'), peers: () => [peer], clock });
    await expect(links.dial('n1', 'pod:9', 'interactive')).rejects.toThrow('connect ECONNREFUSED pod:9');
    expect(peer.asked).toBe(0);
  });

  test('that is connected nowhere is an error, and servers that ask each other end', async () => {
    const [one, two] = [await linksOf(), await linksOf()];
    const [first, second] = [peerOf(one), peerOf(two)];
    const links = new PeeredLinks({ local: one, peers: () => [second], clock });
    await expect(links.dial('n1', 'pod:80', 'bulk')).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: 'node "n1" is not connected to this server: its agent is down or cannot reach it',
    });
    expect([first.asked, second.asked]).toEqual([0, 1]);
  });

  test('that another server cannot reach: its words are told', async () => {
    const peers = [failing('https://192.0.2.2:6443: connect ECONNREFUSED'), peerOf(await linksOf('n1'))];
    const links = new PeeredLinks({ local: await linksOf(), peers: () => peers, clock });
    await expect(links.dial('n1', 'pod:9', 'interactive')).rejects.toThrow(
      /not connected to this server.*; another server: https:\/\/192.0.2.2:6443: connect ECONNREFUSED; another server: .*pod:9/,
    );
  });
});

test('a server that says nothing holds nobody up for more than a second, and is left after ten', async () => {
  const mute = silent();
  const peers = [mute, peerOf(await linksOf('n1'))];
  const links = new PeeredLinks({ local: await linksOf(), peers: () => peers, clock });
  const asked = links.dial('n1', 'pod:80', 'interactive');
  await clock.advance(1_000);
  expect(await heard(await asked)).toBe('n1 pod:80');
  expect(mute.signals[0]!.aborted).toBe(true);

  const refused = expect(links.dial('n2', 'pod:80', 'interactive')).rejects.toMatchObject({ code: 503 });
  await clock.advance(10_000);
  await refused;
});

describe('a link is given', () => {
  const ask = async (groups: string[], path: string, upgrade = LINK_PROTOCOL) =>
    peerOf(await linksOf('n1'), groups).upgrade({ method: 'GET', path, headers: { upgrade } });
  const PATH = '/apis/gantry.dev/v1alpha1/nodes/n1/link?class=interactive&address=pod%3A80';

  test.each([[['system:masters']], [['system:nodes']], [[]]])('to servers, and not to %j', async (groups) => {
    await expect(ask(groups, PATH)).rejects.toMatchObject({ reason: 'Forbidden' });
    expect((await ask([SERVERS_GROUP], PATH)).status).toBe(101);
  });

  test('for what can be asked alone', async () => {
    const servers = [SERVERS_GROUP];
    await expect(ask(servers, PATH, 'websocket')).rejects.toMatchObject({ reason: 'BadRequest' });
    await expect(ask(servers, PATH.replace('interactive', 'x'))).rejects.toMatchObject({
      reason: 'BadRequest',
    });
    await expect(ask(servers, PATH.replace('n1', 'n9'))).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
