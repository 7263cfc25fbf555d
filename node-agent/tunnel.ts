import type { Server } from 'node:http';
import { TUNNEL_PROTOCOLS, tunnelPath } from '#api/node-link.ts';
import type { Transport } from '#machinery/transport.ts';
import { type KeptTunnel, keepTunnel } from '#machinery/tunnel/keep.ts';

export interface TunnelOptions extends Pick<KeptTunnel, 'use' | 'clock' | 'random' | 'log'> {
  transport: Transport;
  node: string;
  /** Gets each connection the apiserver opens to the agent. */
  server: Server;
  /** Connects the server with pods of this node, and nothing else. */
  dialPod: KeptTunnel['targets']['dial'];
  signal: AbortSignal;
}

/** Keeps one of the agent's tunnels to the apiserver open until the signal aborts. */
export function keepAgentTunnel(options: TunnelOptions): Promise<void> {
  const { transport, node, server, dialPod, signal, ...kept } = options;
  const targets = { agent: (stream: unknown) => void server.emit('connection', stream), dial: dialPod };
  const headers = { connection: 'Upgrade', upgrade: TUNNEL_PROTOCOLS[kept.use] };
  const dial = async () => {
    const request = { method: 'GET', path: tunnelPath(node), headers, signal };
    return (await transport.upgrade(request)).stream;
  };
  return keepTunnel({ ...kept, dial, targets }, signal);
}
