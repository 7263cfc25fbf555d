import { connect } from 'node:net';
import type { Container, Probe } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { Runtime } from '#runtime/contract.ts';
import { outputOf } from '../pods/lifecycle.ts';
import type { GrpcCheck } from './grpc.ts';
import type { HttpGet } from './http.ts';
import { type ProbeResult, timingOf } from './outcome.ts';
import { type HttpTarget, httpTarget, portNumber } from './target.ts';

export type TcpConnect = (host: string, port: number, signal: AbortSignal) => Promise<void>;

/** The outside effects of probes. */
export interface ProbeIo {
  httpGet: HttpGet;
  tcpConnect: TcpConnect;
  grpcCheck: GrpcCheck;
  runtime: Pick<Runtime, 'exec'>;
  clock: Clock;
}

export interface ProbeTarget {
  sandbox: string;
  containerId: string;
  container: Container;
  podIP: string;
}

/** One try of a probe. Never rejects: whatever goes wrong is a failure with its reason. */
export async function tryProbe(
  probe: Probe,
  target: ProbeTarget,
  io: ProbeIo,
  stop: AbortSignal,
): Promise<ProbeResult> {
  const timeout = new AbortController();
  const { timeoutMs } = timingOf(probe);
  const timer = io.clock.timer(timeoutMs, () => timeout.abort());
  const signal = AbortSignal.any([stop, timeout.signal]);
  try {
    return await run(probe, target, io, signal);
  } catch (error) {
    const message = timeout.signal.aborted ? timeoutMessage(probe, target, timeoutMs) : messageOf(error);
    return { ok: false, message: probe.httpGet ? `Get "${urlOf(probe, target)}": ${message}` : message };
  } finally {
    timer.cancel();
  }
}

function timeoutMessage(probe: Probe, target: ProbeTarget, timeoutMs: number): string {
  if (probe.exec)
    return `command timed out: "${(probe.exec.command ?? []).join(' ')}" timed out after ${timeoutMs / 1000}s`;
  if (probe.tcpSocket) return `dial tcp ${target.podIP}: i/o timeout`;
  return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
}

async function run(
  probe: Probe,
  target: ProbeTarget,
  io: ProbeIo,
  signal: AbortSignal,
): Promise<ProbeResult> {
  if (probe.exec) return execProbe(probe.exec.command ?? [], target, io, signal);
  if (probe.httpGet) {
    const { status } = await io.httpGet(httpTarget(probe.httpGet, target.container, target.podIP), signal);
    const ok = status >= 200 && status < 400;
    return { ok, message: `HTTP probe failed with statuscode: ${status}` };
  }
  if (probe.tcpSocket) {
    const port = portNumber(probe.tcpSocket.port, target.container);
    await io.tcpConnect(probe.tcpSocket.host || target.podIP, port, signal);
    return { ok: true, message: '' };
  }
  if (probe.grpc) {
    return io.grpcCheck(hostPort(target.podIP, probe.grpc.port), probe.grpc.service ?? '', signal);
  }
  throw new Error('the probe has no action');
}

function urlOf(probe: Probe, target: ProbeTarget): string {
  let at: HttpTarget;
  try {
    at = httpTarget(probe.httpGet!, target.container, target.podIP);
  } catch {
    // The port has no number; the message says so.
    return `http://${target.podIP}`;
  }
  return `${at.scheme}://${hostPort(at.host, at.port)}${at.path}`;
}

async function execProbe(
  args: string[],
  target: ProbeTarget,
  io: ProbeIo,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { sandbox, containerId } = target;
  const starting = io.runtime.exec(sandbox, containerId, { args, tty: false, stdin: false });
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const ending = async () => {
    const process = await starting;
    const [output, exit] = await Promise.all([outputOf(process), process.exit]);
    return { ok: exit.code === 0, message: output.trim() };
  };
  try {
    return await Promise.race([ending(), aborted]);
  } finally {
    // Also one that began only after nobody waited for it any more; who asked has been told of a failure already.
    starting.then(
      (process) => process.close(),
      () => undefined,
    );
  }
}

/** Connects and closes. */
export const systemTcpConnect: TcpConnect = (host, port, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.on('error', (error) => {
      socket.destroy();
      reject(error);
    });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
  });
