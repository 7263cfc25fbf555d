export async function purge(_flags: { dataDir: string; yes?: boolean }): Promise<number> {
  throw new Error('not yet');
}
