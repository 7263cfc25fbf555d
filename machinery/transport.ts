import type { Duplex } from 'node:stream';

/** Who asks, after authentication. Source: authentication.k8s.io/v1 UserInfo. */
export interface Identity {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

/** Header names are lower case. `path` holds the query string too, as on the request line. */
export interface TransportRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Uint8Array;
  /** Set by a trusted caller in process; network transports leave it out and authenticate by certificate or token. */
  identity?: Identity;
  /** Aborting it ends the request and its body. */
  signal?: AbortSignal;
}

/** A body is bytes when it is complete, or a stream (watch, logs) whose consumer's `return()` cancels it. */
export type Body = Uint8Array | AsyncIterable<Uint8Array>;

export interface TransportResponse {
  status: number;
  headers: Record<string, string>;
  body: Body;
  /** To be called by who has sent a body of bytes and holds them no longer: they may be written over then. */
  release?: () => void;
  /** Aborts when the rest of a stream is not to be waited for: who sends it must break it off and let go of it. */
  cut?: AbortSignal;
  /** Answers of the same variant have the same bytes. */
  variant?: string;
}

/** An accepted upgrade: the status and headers of the answer, then raw bytes both ways. */
export interface Upgraded {
  status: number;
  headers: Record<string, string>;
  stream: Duplex;
}

/**
 * How a request reaches an HTTP API: over the network, in process or simulated. Answers of any status resolve; only a
 * broken transport rejects (with a StatusError of reason ServiceUnavailable or Timeout).
 */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>;
  /** For exec, attach and port-forward. Rejects with a StatusError when the answer is not 101. */
  upgrade(request: TransportRequest): Promise<Upgraded>;
}

/** The whole body; rejects with the reader's error beyond `limitBytes`. */
export async function collect(body: Body, limitBytes = 64 * 1024 * 1024): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limitBytes) throw new RangeError(`the body is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
