import { nodeSkew, serverSkew } from '#api/semantics/version-skew.ts';
import type { MemberState } from '../managed-etcd/quorum.ts';
import { whyNotStop } from '../managed-etcd/quorum.ts';

/** What a server of the cluster says of itself. */
export interface ServerFacts {
  /** `https://HOST:6443`. */
  url: string;
  /** `0.1.0`, and of which machines it has programs; or why it does not answer. */
  answer: { version: string; architecture: string } | { fault: string };
}

export interface NodeFacts {
  name: string;
  /** `v0.1.0`. */
  version: string;
  /** It runs on a server's machine, and goes from version to version with that. */
  onServer: boolean;
}

/** How a cluster looks to a machine that is to run another version. */
export interface Surroundings {
  role: 'node' | 'server';
  nodeName: string;
  /** The servers: all but this machine's own. */
  servers: readonly ServerFacts[];
  /** Told to servers only. */
  nodes: readonly NodeFacts[];
  /** Of a managed etcd. */
  members?: readonly MemberState[];
}

/** Why this machine must not run version `to` now, in words; none = it may. */
export function whyNotUpgrade(to: string, surroundings: Surroundings): string[] {
  return surroundings.role === 'node' ? whyNotNode(to, surroundings) : whyNotServer(to, surroundings);
}

/** A server that is away says nothing against it: it is upgraded, or not, when it comes back. */
function whyNotNode(to: string, { servers }: Surroundings): string[] {
  return servers.flatMap(({ url, answer }) => {
    const skew = 'fault' in answer ? undefined : nodeSkew(to, answer.version);
    return skew ? [`${url}: ${skew}`] : [];
  });
}

function whyNotServer(to: string, { nodeName, servers, nodes, members }: Surroundings): string[] {
  const others = servers.map(({ url, answer }) => {
    if ('fault' in answer)
      return `${url} does not answer (${answer.fault}): one server at a time; bring it back, or take it out with "gantry node rm --force"`;
    const skew = serverSkew(to, answer.version);
    return skew && `${url}: ${skew}`;
  });
  const ofNodes = nodes.map(({ name, version, onServer }) => {
    const skew = onServer ? undefined : nodeSkew(version, to);
    return skew && `${name}: ${skew}`;
  });
  return [...others, ...ofNodes, whyNotStop(members ?? [], nodeName)].filter((why) => why !== undefined);
}

/** The server to take the programs of: that of the newest version, for this kind of machine. */
export function newestServer(
  servers: readonly ServerFacts[],
  architecture: string,
): { url: string; version: string } | undefined {
  const able = servers.flatMap(({ url, answer }) =>
    'fault' in answer || answer.architecture !== architecture ? [] : [{ url, version: answer.version }],
  );
  return able.sort((a, b) => compareVersions(b.version, a.version))[0];
}

/** Below 0: `a` is older. What follows the three numbers counts as text. */
export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
