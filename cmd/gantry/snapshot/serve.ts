/** The server's schedule of snapshots, wired. */
import { keySpace } from '#apiserver/engine/keys.ts';
import type { EventRecorder } from '#client/events.ts';
import { systemClock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { Store } from '#store/contract.ts';
import type { Settings } from '../options.ts';
import { CLUSTER } from '../state/store.ts';
import { SnapshotSchedule } from './schedule.ts';

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
  events: EventRecorder,
  signal: AbortSignal,
): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  return snapshots.run((why) => events.record(node, 'Warning', why), signal);
}
