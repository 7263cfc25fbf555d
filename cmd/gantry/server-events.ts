import type { ApiServer } from '#apiserver/server.ts';
import type { Client } from '#client/contract.ts';
import { type EventRecorder, eventRecorder } from '#client/events.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { version } from './assets.ts';

/** Of the server's own requests. */
export const SELF = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** By which the server asks itself. */
export function serverClient(server: ApiServer): Client {
  const transport = server.transport(SELF);
  return restClient({ transport, clock: systemClock, userAgent: `gantry-server/${version}` });
}

/** By which the server itself tells what happened, until the signal aborts. `host`: the node of its machine. */
export function serverEvents(server: ApiServer, host: string, signal: AbortSignal): EventRecorder {
  const client = serverClient(server);
  return eventRecorder({ client, clock: systemClock, component: SELF.name, host, signal });
}
