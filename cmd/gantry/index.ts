import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { version } from './assets.ts';
import { proxyOf } from './connection/proxy.ts';
import { serverOption } from './connection/server-url.ts';
import { addLoadOptions, adminOption } from './images/image-options.ts';
import {
  addAdminOptions,
  addAvailabilityOptions,
  addDrainOptions,
  addTimeoutOption,
} from './membership/drain-options.ts';
import type { JoinFlags } from './membership/join.ts';
import { roleOption, ttlOption } from './membership/token-options.ts';
import {
  type AgentFlags,
  addAgentOptions,
  addEtcdCommandOptions,
  addJoinOptions,
  addStoreOptions,
  addUpOptions,
  DEFAULT_DATA_DIR,
  type UpFlags,
} from './options.ts';
import { addSnapshotDirOption } from './snapshot/options.ts';
import type { PromoteFlags } from './state/promote.ts';
import { addPromoteOptions } from './state/promote-options.ts';
import { addUpgradeOptions } from './upgrade/options.ts';

/**
 * The command line. Each command's code is loaded when it runs: `gantry version` should not pay for the server.
 */
const program = new Command('gantry')
  .description(
    'A container platform that speaks the Kubernetes API: apply YAML, get running containers behind services.',
  )
  .version(version, '-v, --version')
  .showSuggestionAfterError()
  .helpCommand(false)
  .addHelpText(
    'after',
    '\nStart here: gantry up, then: kubectl --kubeconfig /var/lib/gantry/admin.kubeconfig get nodes',
  );

addUpOptions(
  program.command('up').description('run the server and the agent of this machine, in the foreground'),
).action(async (flags: UpFlags) => finish((await import('./up.ts')).up(flags)));

addJoinOptions(
  program
    .command('join <server>')
    .description('make this machine a part of the cluster at <server>, and run it, in the foreground'),
).action(async (server: string, flags: JoinFlags) =>
  finish((await import('./membership/join.ts')).join(server, flags)),
);

const token = program.command('token').description('tokens by which machines join the cluster');
token
  .command('create')
  .description('make one, and print the line by which a machine joins')
  .addOption(roleOption())
  .addOption(ttlOption())
  .addOption(serverOption())
  .option('--description <text>', 'what it is for')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./membership/token.ts')).createToken(flags)));
token
  .command('ls')
  .description('list them, without their secrets')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./membership/token.ts')).listTokens(flags)));
token
  .command('rm <id...>')
  .description('nobody can join with them any more; who has joined stays')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (ids, flags) => finish((await import('./membership/token.ts')).removeTokens(ids, flags)));

program
  .command('install [command...]')
  .description('make systemd run "up ..." or "join ..." from each start of the machine on')
  .usage('[options] -- up|join ...')
  .option('--name <name>', 'of the unit', 'gantry')
  .option('--unit-dir <dir>', 'where units are', '/etc/systemd/system')
  .option('--no-start', 'only from the next start of the machine on')
  .option('--remove', 'take the unit away again')
  .action(async (command, flags) =>
    finish((async () => (await import('./machine/install.ts')).install(command, flags))()),
  );

const node = program.command('node').description('the machines of the cluster');
addAdminOptions(node.command('ls').description('list them'))
  .option('-o, --output <format>', 'json')
  .action(async (flags) => finish((await import('./membership/nodes.ts')).listNodes(flags)));
addAvailabilityOptions(
  node.command('update <name...>').description('whether they take part: active, pause or drain'),
).action(async (names, flags) => finish((await import('./membership/nodes.ts')).updateNodes(names, flags)));
addDrainOptions(
  addAdminOptions(
    node.command('drain <name...>').description('have their pods go elsewhere, and wait for it'),
  ),
)
  .option('--force', 'pods too that no controller makes anew')
  .action(async (names, flags) => finish((await import('./membership/nodes.ts')).drainNodes(names, flags)));
addDrainOptions(
  addAdminOptions(
    node
      .command('rm <name...>')
      .description('remove them from the cluster, drained if they live, and free their names'),
  ),
)
  .option('--no-drain', 'with their pods as they are')
  .option('--force', 'also a machine that is dead, and pods that no controller makes anew')
  .action(async (names, flags) => finish((await import('./membership/nodes.ts')).removeNodes(names, flags)));

program
  .command('cloud-config')
  .description('make a token, and print the user data by which a virtual machine joins at its first start')
  .addOption(roleOption())
  .addOption(ttlOption())
  .addOption(serverOption())
  .option('--proxy <url>', 'HTTP proxy by which the machine gets out', proxyOf)
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./membership/token.ts')).cloudConfig(flags)));

const image = program
  .command('image')
  .description('images on this node, and those that were loaded into the cluster');
addLoadOptions(
  image
    .command('load <file>')
    .alias('import')
    .description('load a `docker save` or OCI archive, - for standard input, and spread it over the cluster'),
)
  .addOption(adminOption())
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (file, flags) => finish((await import('./images/image-load.ts')).loadImage(file, flags)));
image
  .command('ls')
  .description('list images')
  .option('--cluster', 'those that were loaded into the cluster, and on how many nodes they are')
  .addOption(adminOption())
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) =>
    finish(
      flags.cluster
        ? (await import('./images/image-names.ts')).listLoaded(flags)
        : (await import('./images/image.ts')).listImages(flags),
    ),
  );
image
  .command('rm <name...>')
  .description('remove names of images, from the cluster too, and what nothing needs any more')
  .addOption(adminOption())
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (names, flags) => finish((await import('./images/image.ts')).removeImages(names, flags)));

program
  .command('apply')
  .description('make the cluster hold the objects of files (server-side apply)')
  .requiredOption('-f, --filename <path...>', 'file, folder or - for standard input')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./apply.ts')).apply(flags)));

addStoreOptions(
  program
    .command('backup <file>')
    .description("save the cluster's state, of the running server or of a stopped one's store")
    .option('--force', 'replace the file if it exists')
    .option('-o, --output <format>', 'json')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
).action(async (file, flags) => finish((await import('./state/backup.ts')).backup(file, flags)));
addStoreOptions(
  program
    .command('restore <file>')
    .description('fill the store of a stopped server with a backup')
    .option('--verify', 'only check that the file is whole')
    .option('--force', 'replace what is in the store')
    .option('-o, --output <format>', 'json')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
).action(async (file, flags) => finish((await import('./state/restore.ts')).restore(file, flags)));

const snapshot = program
  .command('snapshot')
  .description("files with the cluster's state, as the server makes them by itself (--snapshot-every)");
addSnapshotDirOption(
  addStoreOptions(
    snapshot
      .command('save [name]')
      .description('make one now, which is kept until it is removed')
      .option('-o, --output <format>', 'json')
      .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
  ),
).action(async (name, flags) =>
  finish((await import('./snapshot/command.ts')).saveSnapshot(name ?? 'snapshot', flags)),
);
addSnapshotDirOption(
  snapshot
    .command('ls')
    .description('list those of this machine, the newest first')
    .option('-o, --output <format>', 'json')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
).action(async (flags) => finish((await import('./snapshot/command.ts')).listSnapshots(flags)));
addSnapshotDirOption(
  snapshot
    .command('rm <name...>')
    .description('remove files of this machine')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
).action(async (names, flags) =>
  finish((await import('./snapshot/command.ts')).removeSnapshots(names, flags)),
);

addPromoteOptions(
  program
    .command('promote')
    .description('move the running cluster from SQLite to etcd, so that others can join as servers')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR),
).action(async (flags: PromoteFlags) => finish((await import('./state/promote.ts')).promote(flags)));

program
  .command('recover')
  .description('go on after most members of a managed etcd are gone for good, with the data of this machine')
  .option('--from <file>', "with a snapshot instead, when no member's data is left")
  .option('--yes', 'do it')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./recover/command.ts')).recover(flags)));

const etcd = program
  .command('etcd')
  .description('the etcd cluster that keeps the state (--store etcd://...)');
addEtcdCommandOptions(etcd.command('status').description('its members, their sizes and alarms')).action(
  async (flags) => finish((await import('./etcd.ts')).status(flags)),
);
addEtcdCommandOptions(
  etcd.command('defrag').description('give free room of its database back, one member after the other'),
)
  .option('--compact', 'first forget all history but the newest 1,000 revisions')
  .option('--disarm', 'afterwards let it take writes again, when it was full')
  .action(async (flags) => finish((await import('./etcd.ts')).defrag(flags)));
addEtcdCommandOptions(
  etcd
    .command('remove <member>')
    .description('take a member out of it, by name or id, also one whose machine is gone'),
).action(async (who, flags) => finish((await import('./etcd.ts')).remove(who, flags)));

program
  .command('secrets')
  .description('encryption of what the store holds')
  .command('rotate')
  .description('make a new key and encrypt with it all that is plain or has an older one')
  .option('--drop-unused-keys', 'remove keys from the key file that only older backups need')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./state/secrets.ts')).rotateSecrets(flags)));

const certs = program.command('certs').description('certificates of this machine, and their authorities');
certs
  .command('status')
  .description('every certificate: whom it is for, who signed it, until when')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./certificates/certs.ts')).certificateStatus(flags)));

addTimeoutOption(
  addAdminOptions(
    certs
      .command('rotate [authorities...]')
      .description(
        'replace authorities (server-ca, client-ca, node-ca, service-account; all of them); what knows the old one goes on until that is dropped',
      ),
  ),
  'how long to wait for servers, nodes and pods to follow; 0 = for ever',
)
  .option('--drop-old', 'end the trust in authorities that were replaced')
  .addOption(
    new Option('--cancel', 'give up new authorities that sign nothing yet').conflicts(['dropOld', 'force']),
  )
  .option('--force', 'without those that do not follow')
  .option('-o, --output <format>', 'json')
  .action(async (names, flags) =>
    finish((await import('./certificates/authorities/rotate.ts')).rotateAuthorities(names, flags)),
  );

program
  .command('kubeconfig')
  .description("print the admin's kubeconfig")
  .addOption(serverOption())
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./connection/kubeconfig.ts')).kubeconfig(flags)));

addDrainOptions(
  program
    .command('leave')
    .description('take this machine out of its cluster: drained, stopped, its name free for another one'),
)
  .option('--no-drain', 'with the pods as they are')
  .option('--force', 'also pods that no controller makes anew, and when the cluster cannot be reached')
  .option('--purge', 'remove its images too: everything it made on this machine')
  .option('--node-name <name>', 'name of this node, where it cannot be told', hostname().toLowerCase())
  .option('--unit <name>', 'of the systemd unit that runs it, if any', 'gantry')
  .option('--unit-dir <dir>', 'where units are', '/etc/systemd/system')
  .option('-o, --output <format>', 'json')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .action(async (flags) => finish((await import('./membership/leave.ts')).leave(flags)));

addUpgradeOptions(
  program
    .command('upgrade')
    .description('have this machine run another version: that of the servers, unless it is told which'),
).action(async (flags) => finish((await import('./upgrade/command.ts')).upgrade(flags)));

program
  .command('purge')
  .description('remove everything an instance made on this machine: containers, networks, cgroups, files')
  .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR)
  .option('--yes', 'do it')
  .action(async (flags) => finish((await import('./machine/purge.ts')).purge(flags)));

program
  .command('version')
  .description('print the version')
  .option('-o, --output <format>', 'json')
  .action(({ output }) => {
    const facts = { gantry: version, node: process.versions.node, kubernetesApi: '1.33' };
    process.stdout.write(
      output === 'json' ? `${JSON.stringify(facts)}\n` : `gantry ${version} (Node ${facts.node})\n`,
    );
  });

addUpOptions(program.command('server', { hidden: true })).action(async (flags: UpFlags) =>
  end((await import('./server.ts')).server(flags)),
);
addAgentOptions(program.command('agent', { hidden: true })).action(async (flags: AgentFlags) =>
  end((await import('./agent.ts')).agent(flags)),
);

/** Errors are for people: what went wrong, in a line; the stack only when asked for. */
async function finish(work: Promise<number>): Promise<void> {
  process.exitCode = await kept(work);
}

/** A role that has ended must be gone, also when something it gave up still holds a connection. */
async function end(work: Promise<number>): Promise<void> {
  process.exit(await kept(work));
}

const KEEP_ALIVE_MS = 60_000;

/** While nothing but a timer of ours is waited for, as for an etcd that does not answer, Node would end the process. */
async function kept(work: Promise<number>): Promise<number> {
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
  try {
    return await work;
  } finally {
    clearInterval(alive);
  }
}

try {
  await program.parseAsync();
} catch (error) {
  const { message, stack } = error as Error;
  process.stderr.write(`gantry: ${process.env['GANTRY_DEBUG'] ? stack : message}\n`);
  process.exitCode = 1;
}
