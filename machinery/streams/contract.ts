import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Status } from '../errors.ts';

/**
 * The server side of kubectl exec, attach and port-forward, whatever protocol the client speaks: WebSocket
 * (v4/v5.channel.k8s.io, SPDY tunnelled in it) or SPDY/3.1. What an `upgrade` event of node:http hands over goes in,
 * plain Node streams come out. Source: Kubernetes KEP-4006, SPDY Protocol Draft 3.1.
 */
export interface UpgradeRequest {
  method?: string | undefined;
  headers: IncomingHttpHeaders;
}

/** A raw connection whose request head has been read; nothing has been answered yet. */
export interface Upgrade {
  request: UpgradeRequest;
  socket: Duplex;
  /** Bytes read beyond the request head. */
  head?: Uint8Array;
}

/** Which streams the client asked for (query parameters stdin, stdout, stderr, tty). With a tty there is no stderr. */
export interface ExecWants {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export interface TerminalSize {
  width: number;
  height: number;
}

export interface ExecStreams {
  /** Ends when the client ends its input or is gone. Undefined when it was not asked for, as for the other two. */
  stdin: Readable | undefined;
  /** Writing respects backpressure: the callback comes when the client's connection has taken the bytes. */
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  /** Terminal sizes from now on, beginning with the newest one if one came already. Returns a function that stops it. */
  onResize(listener: (size: TerminalSize) => void): () => void;
  /** Ends stdout and stderr, tells the client how it ended, closes the connection. Harmless when the client is gone. */
  finish(outcome: ExecOutcome): Promise<void>;
  /** Resolves when the connection is gone, whoever closed it. Never rejects. */
  closed: Promise<void>;
}

/** `error`: it could not be run or was lost, as the Status of a StatusError. */
export type ExecOutcome = { exitCode: number } | { error: Status };

/** One connection that a client forwards. */
export interface ForwardedConnection {
  port: number;
  /** Bytes both ways; half-open as TCP is. */
  data: Duplex;
  /** Ends the connection with a message that kubectl prints. */
  fail(message: string): void;
}

export interface PortForward {
  closed: Promise<void>;
  close(): void;
}

/** The reason of an exit with another code than 0; kubectl reads the code from the cause `ExitCode`. */
export const NON_ZERO_EXIT = 'NonZeroExitCode';

/** The metav1.Status that the error channel carries (since v4.channel.k8s.io). */
export function exitStatus(outcome: ExecOutcome): object {
  if ('error' in outcome) return outcome.error;
  if (outcome.exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${outcome.exitCode}`,
    reason: NON_ZERO_EXIT,
    details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
  };
}

/**
 * Answers the upgrade of an exec or attach and returns its streams (exec.ts). Rejects with a StatusError BadRequest,
 * after answering it, when the client speaks none of our protocols.
 */
export type AcceptExec = (upgrade: Upgrade, wants: ExecWants) => Promise<ExecStreams>;

/**
 * Answers the upgrade of a port-forward (port-forward.ts). `onConnection` is called for each connection the client
 * makes; `ports` are those of the query string, which only old WebSocket clients send.
 */
export type AcceptPortForward = (
  upgrade: Upgrade,
  onConnection: (connection: ForwardedConnection) => void,
  ports?: number[],
) => Promise<PortForward>;
