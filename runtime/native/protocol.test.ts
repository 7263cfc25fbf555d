import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '#machinery/random.ts';
import type { NativeRuntime } from './index.ts';
import {
  encodeFrame,
  Fields,
  FRAME_LIMIT,
  FrameReader,
  OP,
  Payload,
  ProtocolError,
  TAG,
} from './protocol.ts';
import { TestNode, whyNoRoot } from './test-root.ts';

describe('frames', () => {
  test('come back as they were sent, however they are cut', () => {
    const payload = new Payload()
      .text(TAG.ID, 'pod')
      .number(TAG.PID, 7)
      .nest(TAG.CGROUP, new Payload().text(TAG.PATH, '/a'));
    const bytes = Buffer.concat([
      encodeFrame(OP.HELLO, 1, payload),
      encodeFrame(OP.LIST, 2),
      encodeFrame(OP.OK, 3, payload),
    ]);
    for (const size of [1, 3, 7, 50, bytes.length]) {
      const reader = new FrameReader();
      const seen: [number, number, number][] = [];
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes.subarray(at, at + size));
        for (let frame = reader.next(); frame; frame = reader.next()) {
          seen.push([frame.op, frame.id, frame.payload.length]);
          if (frame.payload.length > 0) {
            const fields = new Fields(frame.payload);
            expect([
              fields.text(TAG.ID),
              fields.number(TAG.PID),
              fields.all(TAG.CGROUP)[0]!.text(TAG.PATH),
            ]).toEqual(['pod', 7, '/a']);
          }
        }
      }
      expect(seen).toEqual([
        [OP.HELLO, 1, payload.encode().length],
        [OP.LIST, 2, 0],
        [OP.OK, 3, payload.encode().length],
      ]);
    }
  });

  test('of another version or beyond the limit are refused, and fields that run past their end', () => {
    const other = Buffer.from(encodeFrame(OP.HELLO, 1));
    other[4] = 99;
    const long = Buffer.from(encodeFrame(OP.HELLO, 1));
    long.writeUInt32LE(FRAME_LIMIT + 1, 0);
    for (const bytes of [other, long]) {
      const reader = new FrameReader();
      reader.push(bytes);
      expect(() => reader.next()).toThrow(ProtocolError);
    }
    const cut = new Payload().text(TAG.ID, 'pod').encode().subarray(0, 7);
    expect(() => new Fields(cut)).toThrow(ProtocolError);
    expect(() =>
      encodeFrame(OP.NETLINK, 1, new Payload().bytes(TAG.DATA, new Uint8Array(FRAME_LIMIT))),
    ).toThrow(RangeError);
  });

  test('numbers keep 64 bits, and negative ones arrive as such', () => {
    const fields = new Fields(
      new Payload()
        .number(TAG.FLAGS, 2n ** 52n)
        .number(TAG.OOM_SCORE, -5)
        .encode(),
    );
    expect(fields.number(TAG.FLAGS)).toBe(2 ** 52);
    expect(fields.bytes(TAG.OOM_SCORE)!.readBigInt64LE()).toBe(-5n);
  });
});

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`bad messages (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let sockets: string[];

  beforeAll(async () => {
    node = await TestNode.make();
    runtime = await node.open();
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const run = join(node.base, 'run');
    sockets = (await readdir(run)).filter((name) => name.endsWith('.sock')).map((name) => join(run, name));
  });
  afterAll(async () => {
    await node.close();
  });

  /** Sends bytes, says it is done, and resolves when the other side has hung up. */
  function send(path: string, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(path, () => socket.end(bytes));
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve());
    });
  }

  async function bothStillServe(): Promise<void> {
    const { pid } = await runtime.helper.hello();
    expect(pid).toBe(node.helperPid);
    expect(await runtime.list()).toMatchObject([
      { state: 'ready', containers: [{ id: 'main.0', state: 'running' }] },
    ]);
  }

  test('are hung up on, and nobody else notices', async () => {
    expect(sockets).toHaveLength(2);
    const truncated = encodeFrame(OP.START, 1, new Payload().text(TAG.ID, 'x'));
    const long = Buffer.from(encodeFrame(OP.HELLO, 1));
    long.writeUInt32LE(0xffffffff, 0);
    const bad = [
      Buffer.alloc(0),
      Buffer.alloc(100, 255),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      truncated.subarray(0, 15),
      long,
    ];
    for (const path of sockets) for (const bytes of bad) await send(path, bytes);
    await bothStillServe();
  });

  test('whole but senseless requests are refused by name', async () => {
    for (const op of Object.values(OP)) {
      if (op === OP.SHUTDOWN || op === OP.DESTROY) continue;
      for (const path of sockets) await send(path, encodeFrame(op, 1, new Payload().text(TAG.ID, 'absent')));
      for (const path of sockets) await send(path, encodeFrame(op, 1));
    }
    await bothStillServe();
  });

  test('random requests harm nothing', async () => {
    const random = seededRandom(42);
    const pick = (limit: number) => Math.floor(random.next() * limit);
    const harmless = Object.values(OP).filter(
      (op) =>
        op !== OP.SHUTDOWN &&
        op !== OP.DESTROY &&
        op !== OP.CGROUP_REMOVE &&
        op !== OP.CGROUP_KILL &&
        op !== OP.SANDBOX &&
        op !== OP.NETLINK,
    );
    for (let round = 0; round < 300; round++) {
      const payload = new Payload();
      for (let i = pick(6); i > 0; i--) payload.bytes(pick(60), random.bytes(pick(40)));
      if (pick(2) === 0) payload.text(TAG.ID, 'other.0');
      const bytes = Buffer.from(encodeFrame(harmless[pick(harmless.length)]!, pick(5), payload));
      if (pick(3) === 0) bytes[pick(bytes.length)] = pick(256);
      await send(sockets[pick(sockets.length)]!, bytes);
    }
    await bothStillServe();
  });
});
