import { connect } from 'node:http2';
import type { ProbeResult } from './outcome.ts';

export type GrpcCheck = (address: string, service: string, signal: AbortSignal) => Promise<ProbeResult>;

const SERVING = 1;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const MAX_ANSWER = 4096;

/** grpc.health.v1.Health/Check without TLS. Source: gRPC health checking protocol; gRPC over HTTP/2. */
export const systemGrpcCheck: GrpcCheck = (address, service, signal) =>
  new Promise((resolve) => {
    const session = connect(`http://${address}`);
    const end = (ok: boolean, message: string) => {
      signal.removeEventListener('abort', abort);
      session.destroy();
      resolve({ ok, message });
    };
    const abort = () => end(false, `timeout: health rpc to ${address} did not complete in time`);
    signal.addEventListener('abort', abort, { once: true });
    session.on('error', (error) => end(false, `failed to connect to ${address}: ${error.message}`));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let answer = Buffer.alloc(0);
    let grpcStatus = '0';
    stream.on('response', (headers) => {
      grpcStatus = String(headers['grpc-status'] ?? grpcStatus);
    });
    stream.on('trailers', (headers) => {
      grpcStatus = String(headers['grpc-status'] ?? grpcStatus);
    });
    stream.on('data', (chunk: Buffer) => {
      if (answer.length < MAX_ANSWER) answer = Buffer.concat([answer, chunk]);
    });
    stream.on('error', (error) => end(false, `health rpc failed: ${error.message}`));
    stream.on('end', () => {
      if (grpcStatus !== '0') return end(false, `health rpc failed with status ${grpcStatus}`);
      const status = servingStatus(answer);
      end(status === SERVING, `service unhealthy (responded with "${STATUS_NAMES[status] ?? status}")`);
    });
    stream.end(frame(service));
  });

/** HealthCheckRequest { service = 1 } as one gRPC message: flag, length, body. */
function frame(service: string): Buffer {
  const name = Buffer.from(service).subarray(0, 127);
  const body = name.length > 0 ? Buffer.concat([Buffer.from([0x0a, name.length]), name]) : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** HealthCheckResponse { status = 1 }; an empty message is UNKNOWN. */
function servingStatus(answer: Buffer): number {
  return answer.length >= 7 && answer[5] === 0x08 ? answer[6]! : 0;
}
