import { type Command, InvalidArgumentError, Option } from 'commander';
import { isQuantity, quantityValue } from '#machinery/values/quantity.ts';

/** How an etcd that Gantry runs itself is set up. */
export interface ManagedEtcdFlags {
  etcdClientPort: number;
  etcdPeerPort: number;
  /** Bytes; 0: etcd's own default. */
  etcdQuota: number;
  /** Another way to say `--store etcd`. */
  etcd?: 'managed';
}

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
/** What etcd's authors advise at most; its own default fills in weeks. */
const QUOTA_BYTES = 8 * 1024 ** 3;

/** The flags of `up` for an etcd of its own. */
export function addManagedEtcdOptions(command: Command): Command {
  const managed = new Option(
    '--etcd <how>',
    'managed: run etcd on the servers of the cluster, the same as --store etcd',
  )
    .choices(['managed'])
    .implies({ store: { kind: 'managed-etcd' } });
  return command
    .addOption(managed)
    .addOption(portOption('client', 'servers').default(CLIENT_PORT))
    .addOption(portOption('peer', 'other members').default(PEER_PORT))
    .addOption(quotaOption());
}

/** Those that may be others on a machine that joins. */
export function addEtcdPortOptions(command: Command): Command {
  return command.addOption(portOption('client', 'servers')).addOption(portOption('peer', 'other members'));
}

/** The flags again as arguments. */
export function managedEtcdArguments(flags: ManagedEtcdFlags): string[][] {
  return [
    ['--etcd-client-port', String(flags.etcdClientPort)],
    ['--etcd-peer-port', String(flags.etcdPeerPort)],
    ['--etcd-quota', String(flags.etcdQuota)],
  ];
}

function portOption(whose: string, who: string): Option {
  return new Option(
    `--etcd-${whose}-port <port>`,
    `where a managed etcd listens for ${who}, on the machine's own address`,
  ).argParser((text) => {
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535) throw new InvalidArgumentError('it is no port.');
    return port;
  });
}

function quotaOption(): Option {
  return new Option('--etcd-quota <size>', 'how large the database of a managed etcd may become, as 8Gi')
    .argParser((text) => {
      const bytes = isQuantity(text) ? quantityValue(text) : -1;
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw new InvalidArgumentError('write it as 8Gi.');
      return bytes;
    })
    .default(QUOTA_BYTES, '8Gi');
}
