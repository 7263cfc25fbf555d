import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where an instance keeps what. Everything it owns on disk is below `root`. */
export interface Paths {
  root: string;
  pki: string;
  store: string;
  /** Images, snapshots, pod directories, checkpoints of the node agent. */
  agent: string;
  podLogs: string;
  /** Sockets and pid files: worthless after a reboot. */
  run: string;
  adminKubeconfig: string;
}

/** Makes the data directory and names its parts. */
export function pathsOf(dataDirectory: string): Paths {
  const wanted = resolve(dataDirectory);
  mkdirSync(wanted, { recursive: true, mode: 0o700 });
  const root = realpathSync(wanted);
  return {
    root,
    pki: join(root, 'pki'),
    store: join(root, 'store'),
    agent: join(root, 'agent'),
    podLogs: join(root, 'logs'),
    run: join(root, 'run'),
    adminKubeconfig: join(root, 'admin.kubeconfig'),
  };
}

/** Names everything the instance makes in the kernel, so that two instances on one machine never meet. */
export function instanceOf(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 6);
}
