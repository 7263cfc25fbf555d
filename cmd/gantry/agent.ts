import type { UpFlags } from './options.ts';
export async function agent(_flags: UpFlags): Promise<number> {
  throw new Error('not yet');
}
