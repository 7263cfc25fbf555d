/** What people do with an etcd cluster beside using it: look at its members, give free room back. */
import type { Revision } from '../contract.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { faultOf } from './errors.ts';

/** A member as it is now. */
export interface MemberStatus {
  endpoint: string;
  version: string;
  isLeader: boolean;
  revision: Revision;
  /** Of its database file, and how much of that holds data. */
  sizeBytes: number;
  usedBytes: number;
  /** `NOSPACE`, `CORRUPT`; `NOLEADER` when it answers but cannot learn of alarms, for it has no majority with it. */
  alarms: string[];
}

/** A member that did not answer. */
export interface MemberFault {
  endpoint: string;
  fault: string;
}

/** To defragment holds up a member for as long as it copies its database. */
const DEFRAGMENT_MS = 5 * 60_000;

/** Alarms are asked of all members: the question is lost with a leader that goes, and asked again. */
const ALARM_MS = 1_000;

/** etcd's AlarmAction and AlarmType, as numbers: etcd3 takes words for 0. */
const GET = 0;
const DEACTIVATE = 2;
const ALL = 0;
const NOSPACE = 1;

/** The state of each endpoint, in their order. */
export function etcdStatus(options: ConnectionOptions): Promise<(MemberStatus | MemberFault)[]> {
  return Promise.all(
    options.endpoints.map((endpoint) =>
      statusOf(options, endpoint).catch((error: Error) => ({ endpoint, fault: error.message })),
    ),
  );
}

function withMember<T>(
  options: ConnectionOptions,
  endpoint: string,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = new Connection({ ...options, endpoints: [endpoint] });
  return use(connection).finally(() => connection.close());
}

function statusOf(options: ConnectionOptions, endpoint: string): Promise<MemberStatus> {
  return withMember(options, endpoint, async (connection) => {
    const { maintenance } = connection.etcd;
    const status = await connection.repeat((call) => maintenance.status(call));
    const request = { action: GET, alarm: ALL, memberID: 0 };
    const member = status.header.member_id;
    // Only a majority knows of alarms; what a member says of itself is worth more than nothing.
    const alarms = await connection
      .repeat(() => maintenance.alarm(request, connection.deadline(ALARM_MS)))
      .then(({ alarms }) =>
        alarms.filter(({ memberID }) => memberID === member).map(({ alarm }) => `${alarm}`),
      )
      .catch((error: unknown) => {
        if (faultOf(error) !== 'unavailable') throw error;
        return ['NOLEADER'];
      });
    return {
      endpoint,
      version: status.version,
      // One that has lost its majority may not know it yet.
      isLeader: status.leader === member && !alarms.includes('NOLEADER'),
      revision: Number(status.header.revision),
      sizeBytes: Number(status.dbSize),
      usedBytes: Number(status.dbSizeInUse),
      alarms: alarms.map((alarm) => alarm.toUpperCase()),
    };
  });
}

/** Members in the order in which they are to be held up: the leader last, so that there is one election at most. */
export function inDefragmentOrder(members: readonly MemberStatus[]): MemberStatus[] {
  return members.toSorted((a, b) => Number(a.isLeader) - Number(b.isLeader));
}

/** Rewrites a member's database without its free pages; it answers nobody meanwhile. Resolves to its new state. */
export async function defragment(options: ConnectionOptions, endpoint: string): Promise<MemberStatus> {
  await withMember(options, endpoint, (connection) =>
    connection.etcd.maintenance.defragment(connection.deadline(DEFRAGMENT_MS)),
  );
  return statusOf(options, endpoint);
}

/** Forgets all history but that of the newest revisions; what was compacted before stays so. */
export async function forgetHistory(options: ConnectionOptions, keepRevisions: number): Promise<Revision> {
  const connection = new Connection(options);
  try {
    const { header } = await connection.repeat((call) => connection.etcd.maintenance.status(call));
    const revision = Math.max(1, Number(header.revision) - keepRevisions);
    await connection
      .repeat((call) => connection.etcd.kv.compact({ revision, physical: true }, call))
      .catch((error) => {
        if (faultOf(error) !== 'out-of-range') throw error;
      });
    return revision;
  } finally {
    connection.close();
  }
}

/** Lets etcd take writes again after it was full. */
export async function disarmNoSpace(options: ConnectionOptions): Promise<void> {
  const connection = new Connection(options);
  try {
    const { maintenance } = connection.etcd;
    const request = { action: GET, alarm: NOSPACE, memberID: 0 };
    const { alarms } = await connection.repeat((call) => maintenance.alarm(request, call));
    // An alarm is disarmed for the member that raised it.
    for (const { memberID } of alarms.filter(({ alarm }) => alarm === 'Nospace')) {
      const disarm = { action: DEACTIVATE, alarm: NOSPACE, memberID };
      await connection.repeat((call) => maintenance.alarm(disarm, call));
    }
  } finally {
    connection.close();
  }
}
