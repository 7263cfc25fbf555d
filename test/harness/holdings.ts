import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';

/** What an instance holds of this machine at one moment: lists by what it is, numbers where only the count means anything. */
export interface Holdings {
  /** Must be the same again: one line each. */
  things: Record<string, string[]>;
  /** Open descriptors of the long-lived processes. */
  descriptors: Record<'server' | 'agent' | 'helper', number>;
  /** For people. */
  rssBytes: Record<'server' | 'agent', number>;
}

export async function holdings(cluster: TestCluster): Promise<Holdings> {
  const { directory, instance } = cluster;
  const agent = join(directory, 'agent');
  const [helper] = cluster.pids('helper');
  const links = await cluster.inside('ip', ['-o', 'link']);
  return {
    things: {
      monitors: cluster.pids('monitor').map(String),
      // A monitor without a pod waits for the next one, and before it is executed it looks like the helper.
      processes: below(helper!).filter(
        (line) => !/ (gantry-spare|gantry-helper|memfd:gantry-mo)$/.test(line),
      ),
      mounts: readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(directory)),
      cgroups: cgroups(instance),
      links: links.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(':')[1]!.trim()),
      addresses: names(join(agent, 'network/addresses')),
      sandboxes: names(join(agent, 'runtime/sandboxes')),
      snapshots: names(join(agent, 'snapshots')),
      pods: names(join(agent, 'pods')),
      checkpoints: names(join(agent, 'agent/pods')),
      logs: names(join(agent, 'logs/pods')),
      memory: ['/run', '/dev/shm'].flatMap((path) => names(join(path, `gantry-${instance}`, 'pods'))),
      run: names(join(directory, 'run')),
    },
    descriptors: {
      server: descriptors(cluster.pids('server')[0]!),
      agent: descriptors(cluster.pids('agent')[0]!),
      helper: descriptors(helper!),
    },
    rssBytes: { server: rssBytes(cluster.pids('server')[0]!), agent: rssBytes(cluster.pids('agent')[0]!) },
  };
}

/** Connections come and go: a descriptor kept for each pod shows all the same after dozens of pods. */
const DESCRIPTORS_SLACK = 6;

/** One line for each thing that was not there before, and for each process with more descriptors than chance explains. */
export function leaks(before: Holdings, after: Holdings): string[] {
  const found: string[] = [];
  for (const [what, now] of Object.entries(after.things)) {
    const known = new Set(before.things[what]);
    for (const one of now) if (!known.has(one)) found.push(`${what}: ${one}`);
  }
  for (const role of ['server', 'agent', 'helper'] as const) {
    const [was, is] = [before.descriptors[role], after.descriptors[role]];
    if (is > was + DESCRIPTORS_SLACK) found.push(`descriptors of the ${role}: ${was} before, ${is} after`);
  }
  return found;
}

function names(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

function cgroups(instance: string): string[] {
  const roots = ['/sys/fs/cgroup', ...names('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))];
  const mine = roots.map((root) => join(root, `gantry-${instance}`)).filter((path) => existsSync(path));
  return mine.flatMap((path) =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}

/** Processes below a pid, at any depth, by pid and name. */
function below(pid: number): string[] {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : '');
  const children = read(`/proc/${pid}/task/${pid}/children`).split(/\s+/).filter(Boolean).map(Number);
  return children.flatMap((child) => [`${child} ${read(`/proc/${child}/comm`)}`, ...below(child)]);
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      // What a look itself opens is not counted twice.
      return readlinkSync(`/proc/${pid}/fd/${fd}`) !== `/proc/${pid}/fd`;
    } catch {
      // Closed between the listing and the look.
      return false;
    }
  }).length;
}

function rssBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
