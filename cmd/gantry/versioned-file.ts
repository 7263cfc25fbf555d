import type { Files } from '#machinery/io.ts';

/**
 * What `parse` makes of a JSON file of a data directory that says its version; undefined: there is none. Throws, with the path, for a file of
 * another version, a damaged one, and what `parse` throws.
 */
export async function readVersioned<T>(
  files: Files,
  path: string,
  known: number,
  // biome-ignore lint/suspicious/noExplicitAny: what is in the file is for `parse` to say
  parse: (fields: any) => T,
): Promise<T | undefined> {
  const bytes = await files.read(path);
  if (!bytes) return undefined;
  try {
    const { version, ...fields } = JSON.parse(Buffer.from(bytes).toString());
    if (version !== known) throw new RangeError(`it is of version ${version}, this program reads ${known}`);
    return parse(fields);
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`);
  }
}
