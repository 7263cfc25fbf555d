import { Readable, Writable } from 'node:stream';
import type { Clock } from '#machinery/clock.ts';
import type { ExitStatus, ProcessStreams, TerminalSize } from '../contract.ts';
import { decodeExit, encodeSize } from './encode.ts';
import type { Peer } from './peer.ts';
import { Fields, type Frame, OP, Payload, TAG } from './protocol.ts';

/** Frames of stdin: small enough that other sessions of the pod get their turn. */
const STDIN_CHUNK = 64 * 1024;
const SIGKILL = 9;

/** The streams of an exec or attach whose connection has been accepted; `stdin`: whether the other side takes any. */
export function processStreams(peer: Peer, clock: Clock, stdin: boolean): ProcessStreams {
  const full = new Set<Readable>();
  const makeOutput = () => {
    const output: Readable = new Readable({
      read() {
        full.delete(output);
        if (full.size === 0) peer.pause(false);
      },
    });
    return output;
  };
  const stdout = makeOutput();
  const stderr = makeOutput();
  const push = (output: Readable, frame: Frame) => {
    const data = new Fields(frame.payload).bytes(TAG.DATA);
    if (!data || output.destroyed || output.push(Buffer.from(data))) return;
    full.add(output);
    peer.pause(true);
  };

  let closedByUs = false;
  let resolveExit: (exit: ExitStatus) => void;
  const exit = new Promise<ExitStatus>((resolve) => {
    resolveExit = resolve;
  });
  const end = (status: ExitStatus) => {
    resolveExit(status);
    stdout.push(null);
    stderr.push(null);
  };
  peer.onFrame = (frame) => {
    if (frame.op === OP.STDOUT) push(stdout, frame);
    else if (frame.op === OP.STDERR) push(stderr, frame);
    else if (frame.op === OP.EXITED) {
      end(decodeExit(new Fields(frame.payload)));
      peer.close();
    }
  };
  // After an exit that was told, this changes nothing any more.
  peer.onClose = () => {
    const finishedAtMs = clock.now();
    if (closedByUs) end({ code: 128 + SIGKILL, signal: SIGKILL, reason: 'Error', finishedAtMs });
    else end({ code: 128 + SIGKILL, reason: 'Lost', message: 'its monitor is gone', finishedAtMs });
  };
  return {
    stdin: stdin ? makeStdin(peer) : undefined,
    stdout,
    stderr,
    resize: (size: TerminalSize) => peer.send(OP.RESIZE, encodeSize(new Payload(), size)),
    signal: (signal: number) => peer.send(OP.SIGNAL, new Payload().number(TAG.SIGNAL, signal)),
    exit,
    close() {
      closedByUs = true;
      peer.close();
    },
  };
}

function makeStdin(peer: Peer): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const parts = Math.ceil(chunk.length / STDIN_CHUNK);
      for (let part = 0; part < parts; part++) {
        const data = chunk.subarray(part * STDIN_CHUNK, (part + 1) * STDIN_CHUNK);
        peer.send(OP.STDIN, new Payload().bytes(TAG.DATA, data), part === parts - 1 ? done : undefined);
      }
      if (parts === 0) done();
    },
    final(done) {
      peer.send(OP.STDIN_END, new Payload(), done);
    },
  });
}
