import { type Command, InvalidArgumentError, Option } from 'commander';

/** What is encrypted in the store, and where the keys are. */
export interface EncryptionFlags {
  /** Kinds as kubectl names them: `secrets`, `deployments.apps`. */
  encrypt: readonly string[];
  encryptionKeys?: string;
  encryptionCommand?: string;
}

/** How `--encrypt` says that nothing is encrypted. */
const NO_KINDS = 'none';

export function addEncryptionOptions(command: Command): Command {
  const kinds = new Option(
    '--encrypt <kinds>',
    'kinds to encrypt in the store: secrets,deployments.apps,... or none',
  )
    .argParser(kindsOf)
    .default(['secrets'], 'secrets');
  return command
    .addOption(kinds)
    .option('--encryption-keys <file>', 'key file (default: encryption-keys.json in the data directory)')
    .option('--encryption-command <program>', 'program that wraps and unwraps keys, in place of a key file');
}

/** The flags again as arguments. */
export function encryptionArguments(flags: EncryptionFlags): string[][] {
  const { encrypt, encryptionKeys, encryptionCommand } = flags;
  return [
    ['--encrypt', encrypt.join() || NO_KINDS],
    ...(encryptionKeys === undefined ? [] : [['--encryption-keys', encryptionKeys]]),
    ...(encryptionCommand === undefined ? [] : [['--encryption-command', encryptionCommand]]),
  ];
}

/** Only the form is checked: which kinds there are is for who serves them. */
function kindsOf(text: string): string[] {
  if (text === NO_KINDS) return [];
  const names = text.split(',');
  if (!names.every((name) => /^[a-z][a-z0-9.-]*$/.test(name)))
    throw new InvalidArgumentError('write it as secrets,configmaps,deployments.apps or none.');
  return names;
}
