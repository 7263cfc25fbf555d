/**
 * How far apart the versions of a cluster's parts may be. Source: Kubernetes documentation, "Version Skew Policy": servers within one minor
 * version, a node up to three older than the server and never newer.
 */
const NODE_MINORS = 3;
const SERVER_MINORS = 1;

interface Version {
  major: number;
  minor: number;
}

/** Why a node of that version is not supported by the server, in words; undefined where it is, or where that cannot be told. */
export function nodeSkew(node: string | undefined, server: string): string | undefined {
  const [ours, theirs] = [parse(server), parse(node)];
  if (!ours || !theirs) return undefined;
  const between = `${bare(node!)}, the server ${bare(server)}`;
  if (theirs.major !== ours.major) return `the node runs ${between}: they are of different major versions`;
  const older = ours.minor - theirs.minor;
  if (older < 0)
    return `the node runs ${between}: a node must not be newer than the server; upgrade the servers first`;
  if (older > NODE_MINORS)
    return `the node runs ${between}: it may be ${NODE_MINORS} minor versions older at most; upgrade it`;
  return undefined;
}

/** Why two servers cannot serve one cluster, in words; undefined where they can, or where that cannot be told. */
export function serverSkew(own: string, other: string | undefined): string | undefined {
  const [ours, theirs] = [parse(own), parse(other)];
  if (!ours || !theirs) return undefined;
  if (ours.major === theirs.major && Math.abs(ours.minor - theirs.minor) <= SERVER_MINORS) return undefined;
  return `this server is version ${bare(own)}, and another one of the cluster is ${bare(other!)}: they may be one minor version apart`;
}

function bare(version: string): string {
  return version.replace(/^v/, '');
}

function parse(version: string | undefined): Version | undefined {
  const found = /^v?(\d+)\.(\d+)\.\d+/.exec(version ?? '');
  return found ? { major: Number(found[1]), minor: Number(found[2]) } : undefined;
}
