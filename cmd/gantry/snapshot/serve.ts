/** The server's schedule of snapshots, wired. */
import { keySpace } from '#apiserver/engine/keys.ts';
import type { ApiServer } from '#apiserver/server.ts';
import { eventRecorder } from '#client/events.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { Store } from '#store/contract.ts';
import { version } from '../assets.ts';
import type { Settings } from '../options.ts';
import { CLUSTER } from '../store.ts';
import { SnapshotSchedule } from './schedule.ts';

/** Of the server's own requests. */
const SELF = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

export function snapshotSchedule(settings: Settings, store: Store, log: Logger): SnapshotSchedule {
  const { snapshotEvery: everyMs, snapshotKeep: keep, snapshotDir, paths, nodeName: label } = settings;
  return new SnapshotSchedule({
    ...{ everyMs, keep, label, log, clock: systemClock, directory: snapshotDir ?? paths.snapshots },
    source: { store, keys: keySpace(CLUSTER), cluster: CLUSTER },
  });
}

/** Makes them until the signal aborts; one that fails is an event of this machine's node. */
export function saveSnapshots(
  snapshots: SnapshotSchedule,
  { nodeName }: Settings,
  server: ApiServer,
  signal: AbortSignal,
): Promise<void> {
  const transport = server.transport(SELF);
  const client = restClient({ transport, clock: systemClock, userAgent: `gantry-server/${version}` });
  const options = { client, clock: systemClock, component: SELF.name, host: nodeName, signal };
  const events = eventRecorder(options);
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  return snapshots.run((why) => events.record(node, 'Warning', why), signal);
}
