import { resourceName } from '#api/kind.ts';
import { KINDS } from '#api/kinds/index.ts';
import { keyFile } from '#apiserver/encryption/key-file.ts';
import type { KeyProvider } from '#apiserver/encryption/key-provider.ts';
import type { EncryptionSettings } from '#apiserver/encryption/key-ring.ts';
import { systemFiles } from '#machinery/files.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Paths } from '../paths.ts';
import type { EncryptionFlags } from './encryption-options.ts';
import { keyCommand } from './key-command.ts';

/** `--encrypt` names what is no kind. */
export class UnknownKindError extends Error {
  override readonly name = 'UnknownKindError';
}

/**
 * What the flags ask for. A key file that was named is never made by itself; the one of the data directory is, when a first
 * key is needed. With a command the key file still unwraps what it once wrapped, until the keys are rotated.
 */
export function encryptionOf(
  flags: EncryptionFlags & { paths: Pick<Paths, 'encryptionKeys'> },
): EncryptionSettings {
  const file = keyFile(flags.encryptionKeys ?? flags.paths.encryptionKeys, {
    files: systemFiles(),
    random: systemRandom,
    create: flags.encryptionKeys === undefined,
  });
  const providers: KeyProvider[] =
    flags.encryptionCommand === undefined ? [file] : [keyCommand(flags.encryptionCommand), file];
  return { providers, kinds: flags.encrypt.map(kindOf) };
}

function kindOf(name: string): { group: string; plural: string } {
  const found = KINDS.find((kind) => resourceName(kind) === name);
  if (!found)
    throw new UnknownKindError(
      `--encrypt: there is no kind "${name}"; names are like secrets and deployments.apps`,
    );
  const { group, plural } = found.storedAs ?? found;
  return { group, plural };
}
