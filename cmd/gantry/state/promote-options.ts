import { type Command, Option } from 'commander';
import { addEtcdOptions, storeOf } from '../options.ts';
import type { StoreChoice } from './store-choice.ts';

/** The flags of `promote`. */
export function addPromoteOptions(command: Command): Command {
  const to = new Option('--to <etcd>', 'where the state goes: etcd://host:port,..., or as --etcd says')
    .argParser(storeOf)
    .makeOptionMandatory();
  const managed = new Option(
    '--etcd <how>',
    'managed: to an etcd that the servers of the cluster run themselves',
  )
    .choices(['managed'])
    .implies({ to: { kind: 'managed-etcd' } satisfies StoreChoice });
  return addEtcdOptions(command.addOption(to).addOption(managed)).option('-o, --output <format>', 'json');
}
