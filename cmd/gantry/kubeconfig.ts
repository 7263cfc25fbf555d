import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `gantry kubeconfig`: to be saved or used as `KUBECONFIG=<(gantry kubeconfig)`. */
export async function kubeconfig({ dataDir }: { dataDir: string }): Promise<number> {
  const path = join(dataDir, 'admin.kubeconfig');
  if (!existsSync(path)) throw new Error(`${path} does not exist: start the cluster with "gantry up"`);
  process.stdout.write(readFileSync(path));
  return 0;
}
