import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where an instance keeps what. Everything it owns on disk is below `root`. */
export interface Paths {
  root: string;
  pki: string;
  store: string;
  /** Images, snapshots, pod directories, checkpoints of the node agent. */
  agent: string;
  /** Sockets and pid files: worthless after a reboot. */
  run: string;
  adminKubeconfig: string;
  /** Of the cluster's state, unless another directory is named. */
  snapshots: string;
  /** The key file of encryption at rest, unless another is named. */
  encryptionKeys: string;
}

/** Names the parts of a data directory, which need not exist. */
export function pathsOf(dataDirectory: string): Paths {
  const wanted = resolve(dataDirectory);
  const root = existsSync(wanted) ? realpathSync(wanted) : wanted;
  return {
    root,
    pki: join(root, 'pki'),
    store: join(root, 'store'),
    agent: join(root, 'agent'),
    run: join(root, 'run'),
    adminKubeconfig: join(root, 'admin.kubeconfig'),
    snapshots: join(root, 'snapshots'),
    encryptionKeys: join(root, 'encryption-keys.json'),
  };
}

/** Names everything the instance makes in the kernel, so that two instances on one machine never meet. */
export function instanceOf(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 6);
}
