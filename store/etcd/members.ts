import type { IMember } from 'etcd3';
import type { Revision } from '../contract.ts';
import { Connection, type ConnectionOptions } from './connection.ts';

/** A member of an etcd cluster, as its members list it. */
export interface Member {
  /** As etcd writes it: hexadecimal. */
  id: string;
  /** '' for one that has been added and has never run. */
  name: string;
  /** `https://10.0.0.1:2380`, where the other members reach it. */
  peerUrls: readonly string[];
  /** `https://10.0.0.1:2379`, where clients do. */
  clientUrls: readonly string[];
  /** It follows and has no vote. */
  isLearner: boolean;
}

/**
 * etcd's cluster API (etcdserverpb.Cluster). Calls that change something are made once: when one fails, only a new list tells
 * whether it was carried out.
 */
export interface MemberApi {
  list(): Promise<Member[]>;
  /** Adds one that is to follow, without a vote: etcd takes one of those at a time, and only when all voting members are there. */
  addLearner(peerUrl: string): Promise<Member>;
  /** Gives a learner its vote; refused while it lags behind. */
  promote(id: string): Promise<void>;
  update(id: string, peerUrl: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** What a member says of itself; undefined when it does not answer soon. */
  ask(member: Member): Promise<MemberAnswer | undefined>;
  close(): void;
}

export interface MemberAnswer {
  id: string;
  /** It knows a leader: a majority hears it. */
  hasLeader: boolean;
  /** Of what it has; it may lag behind others. */
  revision: Revision;
}

/** A change waits for a majority, and for an election when the leader has just gone. */
const CHANGE_MS = 7_000;
/** A member that runs answers this in milliseconds, with or without a majority. */
const ASK_MS = 1_500;

/** etcd's cluster API at the given endpoints, or by a connection that there is. */
export function memberApi(options: ConnectionOptions, connection = new Connection(options)): MemberApi {
  const cluster = () => connection.etcd.cluster;
  const once = () => connection.deadline(CHANGE_MS);
  return {
    list: async () =>
      (await connection.repeat((call) => cluster().memberList({}, call))).members.map(toMember),
    addLearner: async (peerUrl) =>
      toMember((await cluster().memberAdd({ peerURLs: [peerUrl], isLearner: true }, once())).member),
    promote: async (id) => void (await cluster().memberPromote({ ID: decimal(id) }, once())),
    update: async (id, peerUrl) =>
      void (await cluster().memberUpdate({ ID: decimal(id), peerURLs: [peerUrl] }, once())),
    remove: async (id) => void (await cluster().memberRemove({ ID: decimal(id) }, once())),
    ask: ({ clientUrls }) =>
      askMember({ ...options, credentials: connection.credentials }, clientUrls.map(endpointOf)),
    close: () => connection.close(),
  };
}

/** What the member at these endpoints says of itself; undefined when it does not answer within 1.5 s. */
export async function askMember(
  options: ConnectionOptions,
  endpoints: readonly string[],
): Promise<MemberAnswer | undefined> {
  if (endpoints.length === 0) return undefined;
  const connection = new Connection({ ...options, endpoints, retryMs: 0 });
  try {
    const { header, leader } = await connection.etcd.maintenance.status(connection.deadline(ASK_MS));
    return {
      id: hexadecimal(header.member_id),
      hasLeader: leader !== '0',
      revision: Number(header.revision),
    };
  } catch {
    // Whatever it is, it does not answer as a member does.
    return undefined;
  } finally {
    connection.close();
  }
}

/** `host:port` of a member's URL. */
export function endpointOf(url: string): string {
  return url.replace(/^https?:\/\//, '');
}

function toMember({ ID, name, peerURLs, clientURLs, isLearner }: IMember): Member {
  return { id: hexadecimal(ID), name, peerUrls: peerURLs, clientUrls: clientURLs, isLearner };
}

function hexadecimal(id: string): string {
  return BigInt(id).toString(16);
}

function decimal(id: string): string {
  return BigInt(`0x${id}`).toString();
}
