import type { ApiServer } from '#apiserver/server.ts';
import { type EventRecorder, eventRecorder } from '#client/events.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { version } from './assets.ts';

/** Of the server's own requests. */
const SELF = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** By which the server itself tells what happened, until the signal aborts. `host`: the node of its machine. */
export function serverEvents(server: ApiServer, host: string, signal: AbortSignal): EventRecorder {
  const transport = server.transport(SELF);
  const client = restClient({ transport, clock: systemClock, userAgent: `gantry-server/${version}` });
  return eventRecorder({ client, clock: systemClock, component: SELF.name, host, signal });
}
