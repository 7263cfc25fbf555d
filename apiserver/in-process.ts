import { duplexPair } from 'node:stream';
import { isStatus, messageOf, StatusError } from '#machinery/errors.ts';
import type { Identity, Transport, TransportRequest, Upgraded } from '#machinery/transport.ts';
import type { RequestChain } from './chain.ts';
import { readHead } from './http/read-head.ts';

/**
 * The server as a Transport in the same process: for tests, the simulator, and parts that run beside it. Requests carry
 * their identity, or get `identity` when they have none; bodies that stream end with the request's signal.
 */
export function inProcessTransport(chain: RequestChain, identity?: Identity): Transport {
  const withIdentity = (request: TransportRequest) => ({
    ...request,
    identity: request.identity ?? identity,
  });
  return {
    request: (request) => chain.serve(withIdentity(request)),
    upgrade: (request) => upgradeInProcess(chain, withIdentity(request)),
  };
}

async function upgradeInProcess(chain: RequestChain, request: TransportRequest): Promise<Upgraded> {
  const [client, server] = duplexPair();
  request.signal?.addEventListener('abort', () => client.destroy(), { once: true });
  try {
    const upgraded = await chain.upgrade(request, server);
    if (upgraded) return upgraded;
  } catch (error) {
    client.destroy();
    throw isStatus(error) ? error : new StatusError('InternalError', messageOf(error));
  }
  // The handler has answered on the connection itself.
  const { status, headers } = await readHead(client);
  if (status !== 101)
    throw new StatusError('InternalError', `the upgrade was answered with ${status}`, {}, status);
  return { status, headers, stream: client };
}
