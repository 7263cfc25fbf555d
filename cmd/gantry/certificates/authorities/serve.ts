/** The rotation of authorities, wired into a server. */
import { AUTHORITIES } from '#api/semantics/authorities.ts';
import type { Why } from '#api/why.ts';
import type { ApiServer } from '#apiserver/server.ts';
import type { EventRecorder } from '#client/events.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { keepAuthorities } from './automatic.ts';
import type { AuthorityRotation } from './rotation.ts';

/** Of which the events of rotations are. */
const ABOUT = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...AUTHORITIES } };

interface Served {
  server: ApiServer;
  events: EventRecorder;
  refresh(): Promise<unknown>;
  leads(): Promise<boolean>;
}

/** Has the server follow what is replaced, and replace what nears its end, until the signal aborts. */
export function serveRotation(
  rotation: AuthorityRotation,
  { server, events, refresh, leads }: Served,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): void {
  const tell = (type: 'Normal' | 'Warning', why: Why) => events.record(ABOUT, type, why);
  rotation.follow({ server, refresh, tell });
  keepAuthorities({
    ...{ mode: rotation.mode, leads, tell, clock, log, signal },
    pending: () => rotation.pending(),
    take: (...step) => rotation.take(...step),
  });
}
