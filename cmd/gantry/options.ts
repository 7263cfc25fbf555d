import { mkdirSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type ClusterSettings,
  DEFAULT_VXLAN,
  NODE_GRACE_MS,
  parsePortRange,
  parseVxlanSettings,
  type VxlanSettings,
} from '#api/cluster-settings.ts';
import { LOG_LEVELS, type LogLevel } from '#machinery/log.ts';
import { parseCidr } from '#machinery/values/cidr.ts';
import { parseGoDuration } from '#machinery/values/duration.ts';
import { nodeAddress, parseListen } from './addresses.ts';
import { proxyOf } from './connection/proxy.ts';
import { imagePortOption } from './images/image-options.ts';
import {
  addEtcdPortOptions,
  addManagedEtcdOptions,
  type ManagedEtcdFlags,
  managedEtcdArguments,
} from './managed-etcd/options.ts';
import { roleOption } from './membership/token-options.ts';
import { addOperationOptions, type OperationFlags, operationArguments } from './options/operation-options.ts';
import { addResourceOptions, type ResourceFlags, resourceArguments } from './options/resource-options.ts';
import { addShutdownOptions, type ShutdownFlags, shutdownArguments } from './options/shutdown-options.ts';
import { instanceOf, type Paths, pathsOf } from './paths.ts';
import { addSnapshotOptions, type SnapshotFlags, snapshotArguments } from './snapshot/options.ts';
import {
  addEncryptionOptions,
  type EncryptionFlags,
  encryptionArguments,
} from './state/encryption-options.ts';
import { parseStore, type StoreChoice, storeText } from './state/store-choice.ts';
import {
  type VirtualAddress,
  virtualAddressArguments,
  virtualAddressOption,
} from './virtual-address/address.ts';

/** Flags of every command that runs a node. */
export interface NodeFlags extends ResourceFlags, ShutdownFlags {
  dataDir: string;
  nodeName: string;
  memoryQos?: boolean;
  enforceNodeAllocatable?: boolean;
  singleProcessOomKill?: boolean;
  allowedUnsafeSysctls: string[];
  /** TCP port where other nodes fetch parts of images; 0: none is opened. */
  imagePort: number;
  logLevel: LogLevel;
}

/** What `up` says of the cluster, and the agent is told. */
export interface ClusterFlags extends Omit<ClusterSettings, 'nodeGraceMs'> {
  /** Milliseconds. */
  nodeGracePeriod: number;
}

/** Flags of `gantry up`, as commander gives them. */
export interface UpFlags
  extends NodeFlags,
    ClusterFlags,
    StoreFlags,
    ManagedEtcdFlags,
    EncryptionFlags,
    OperationFlags,
    SnapshotFlags {
  listen: { host: string; port: number };
  advertiseAddress?: string;
  tlsSan: string[];
  virtualAddress: VirtualAddress[];
  agent: boolean;
}

/** Where the desired state is kept. */
export interface StoreFlags extends EtcdFlags {
  store: StoreChoice;
  /** Go on after a disk has lost commits that it had confirmed. */
  acceptLostWrites?: boolean;
}

/** How etcd is reached. */
export interface EtcdFlags {
  /** Files: the authority of etcd's certificate, our certificate to it, and its key. */
  etcdCa?: string;
  etcdCert?: string;
  etcdKey?: string;
  /** The name in etcd's certificate, when its endpoints are addresses. */
  etcdServerName?: string;
  /** Of a user of etcd, and a file with the password alone. */
  etcdUsername?: string;
  etcdPasswordFile?: string;
}

/** What is worked out of the flags of a command that runs a node. */
export interface Place {
  paths: Paths;
  instance: string;
  /** The machine's own, by which others reach it. */
  advertiseAddress: string;
}

/** What the server is wired with. */
export interface Settings extends Omit<UpFlags, 'advertiseAddress' | 'dataDir'>, Place {}

/** Flags of the agent, which `up` and `join` start. */
export interface AgentFlags extends NodeFlags, ClusterFlags {
  advertiseAddress?: string;
  /** `https://127.0.0.1:6443`. */
  server: string;
}

/** What the agent is wired with. */
export interface AgentSettings extends Omit<AgentFlags, 'advertiseAddress' | 'dataDir'>, Place {}

export const DEFAULT_DATA_DIR = '/var/lib/gantry';

/** How etcd is reached. */
export function addEtcdOptions(command: Command): Command {
  return command
    .option('--etcd-ca <file>', "authority of etcd's certificate (PEM); TLS is used when given")
    .option('--etcd-cert <file>', 'client certificate for etcd (PEM)')
    .option('--etcd-key <file>', 'its key (PEM)')
    .option('--etcd-server-name <name>', "name in etcd's certificate, when its endpoints are addresses")
    .option('--etcd-username <name>', 'user of etcd, when it asks for one')
    .option('--etcd-password-file <file>', 'file that holds its password and nothing else');
}

/** The flags of every command that opens the store itself. */
export function addStoreOptions(command: Command): Command {
  const store = new Option(
    '--store <store>',
    'where the desired state is kept: sqlite, etcd (run by the servers themselves), or etcd://host:port,...',
  )
    .argParser(storeOf)
    .default({ kind: 'sqlite' } satisfies StoreChoice, 'sqlite');
  return addEtcdOptions(command.addOption(store)).option(
    '--accept-lost-writes',
    'once, after a disk has lost what it had confirmed: go on without it (sqlite)',
  );
}

/** The flags of commands about etcd itself. */
export function addEtcdCommandOptions(command: Command): Command {
  const store = new Option(
    '--store <store>',
    'the etcd: etcd://host:port,... (default: of --data-dir)',
  ).argParser(storeOf);
  return addEtcdOptions(command.addOption(store))
    .option('-o, --output <format>', 'json')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR);
}

/** The flags that `up` and the roles it starts have in common. */
export function addUpOptions(command: Command): Command {
  const listen = new Option('--listen <host:port>', 'where the API is served')
    .argParser(listenOf)
    .default({ host: '127.0.0.1', port: 6443 }, '127.0.0.1:6443');
  return addClusterOptions(
    addNodeOptions(
      addSnapshotOptions(
        addOperationOptions(addEncryptionOptions(addManagedEtcdOptions(addStoreOptions(command)))),
      ),
    ),
  )
    .addOption(listen)
    .addOption(namesOption())
    .addOption(virtualAddressOption())
    .option('--no-agent', 'run only the server, no containers on this machine');
}

function namesOption(): Option {
  return new Option(
    '--tls-san <name>',
    "one more name or address in servers' certificates, by which all of them are reached (repeatable)",
  )
    .argParser((text, before: string[]) => collect(serverNameOf(text), before))
    .default([], 'none');
}

/** Those of ClusterFlags. */
function addClusterOptions(command: Command): Command {
  const ports = new Option('--node-port-range <from-to>', 'ports of Services on the node')
    .argParser(rangeOf)
    .default({ from: 30000, to: 32767 }, '30000-32767');
  const grace = new Option(
    '--node-grace-period <duration>',
    'how long a node may be silent before its pods are given up; at least 5s',
  )
    .argParser(graceOf)
    .default(NODE_GRACE_MS, '40s');
  const vxlan = new Option(
    '--vxlan <id:port>',
    'VXLAN network and UDP port between nodes on different subnets; no two of one machine can have the same',
  )
    .argParser(vxlanOf)
    .default(DEFAULT_VXLAN, '1:8472');
  return command
    .option(
      '--advertise-address <ip>',
      "address at which pods and other nodes reach the API (default: the node's own)",
      addressOf,
    )
    .option('--pod-cidr <cidr>', 'addresses of pods', cidrOf, '10.244.0.0/16')
    .option('--service-cidr <cidr>', 'addresses of Services', cidrOf, '10.96.0.0/16')
    .addOption(ports)
    .addOption(vxlan)
    .addOption(grace);
}

/** The flags of the agent. */
export function addAgentOptions(command: Command): Command {
  return addClusterOptions(addNodeOptions(command)).requiredOption('--server <url>', 'where the API is');
}

/** The flags of `join`. */
export function addJoinOptions(command: Command): Command {
  return addEtcdPortOptions(addNodeOptions(command))
    .addOption(roleOption())
    .addOption(namesOption())
    .addOption(virtualAddressOption())
    .option('--token <token>', 'of "gantry token create"; needed once (or in $GANTRY_TOKEN)')
    .option(
      '--node-ip <ip>',
      'address of this machine for the other nodes (default: of its default route)',
      addressOf,
    )
    .option(
      '--proxy <url>',
      'HTTP proxy to servers: http://HOST:PORT, https:// and USER:PASSWORD@ as well (default: $HTTPS_PROXY, $NO_PROXY)',
      proxyOf,
    );
}

/** The flags of every command that runs a node. */
export function addNodeOptions(command: Command): Command {
  const unsafe = new Option(
    '--allowed-unsafe-sysctls <pattern>',
    'a sysctl that pods may set besides the safe ones, or a prefix and * (repeatable)',
  )
    .argParser(collect)
    .default([], 'none');
  return addShutdownOptions(addResourceOptions(command))
    .option('--data-dir <dir>', 'where everything is kept', DEFAULT_DATA_DIR)
    .option('--node-name <name>', 'name of this node', nameOf, hostname().toLowerCase())
    .option('--memory-qos', 'keep the memory that pods ask for, slow down use near the limit (cgroup v2)')
    .option('--enforce-node-allocatable', 'hold all pods together to what the node offers them')
    .option('--single-process-oom-kill', 'out of memory, kill one process and not its container (cgroup v2)')
    .addOption(unsafe)
    .addOption(imagePortOption())
    .addOption(new Option('--log-level <level>', 'least level to log').choices(LOG_LEVELS).default('info'));
}

/** Works out what the flags leave open. Throws when the node has no address to advertise, and none is given by `flag`. */
export function settle<T extends { dataDir: string; advertiseAddress?: string }>(
  flags: T,
  flag = '--advertise-address',
): Omit<T, 'advertiseAddress' | 'dataDir'> & Place {
  const { dataDir, advertiseAddress, ...rest } = flags;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const paths = pathsOf(dataDir);
  const instance = instanceOf(paths.root);
  const address = advertiseAddress ?? nodeAddress(`g${instance}`);
  if (!address) throw new Error(`this machine has no address besides loopback: name one with ${flag}`);
  return { ...rest, paths, instance, advertiseAddress: address };
}

/** The flags again as arguments, for the server that `up` starts. */
export function toArguments(settings: Settings): string[] {
  const { listen } = settings;
  const host = isIP(listen.host) === 6 ? `[${listen.host}]` : listen.host;
  return [
    ...nodeArguments(settings),
    ['--listen', `${host}:${listen.port}`],
    ...settings.tlsSan.map((name) => ['--tls-san', name]),
    ...virtualAddressArguments(settings.virtualAddress),
    // What was not asked for by name must not look as if it were.
    ...(isDefault(settings.store) ? [] : [['--store', storeText(settings.store)]]),
    ...etcdFlags(settings),
    ...managedEtcdArguments(settings),
    ...(settings.acceptLostWrites ? [['--accept-lost-writes']] : []),
    ...encryptionArguments(settings),
    ...operationArguments(settings),
    ...snapshotArguments(settings),
  ].flat();
}

function isDefault(store: StoreChoice): boolean {
  return store.kind === 'sqlite' && !store.said;
}

/** The same for the agent. `findsAddress`: it is to find its address itself, and to follow it. */
export function agentArguments(settings: AgentSettings, findsAddress = false): string[] {
  const args = nodeArguments(settings).filter(([flag]) => !findsAddress || flag !== '--advertise-address');
  return [...args, ['--server', settings.server]].flat();
}

function nodeArguments(settings: Omit<NodeFlags, 'dataDir'> & ClusterFlags & Place): string[][] {
  const { nodePortRange } = settings;
  return [
    ['--data-dir', settings.paths.root],
    ['--advertise-address', settings.advertiseAddress],
    ['--node-name', settings.nodeName],
    ['--pod-cidr', settings.podCidr],
    ['--service-cidr', settings.serviceCidr],
    ['--node-port-range', `${nodePortRange.from}-${nodePortRange.to}`],
    ['--node-grace-period', `${settings.nodeGracePeriod}ms`],
    ['--vxlan', `${settings.vxlan.id}:${settings.vxlan.port}`],
    ...(settings.memoryQos ? [['--memory-qos']] : []),
    ...(settings.enforceNodeAllocatable ? [['--enforce-node-allocatable']] : []),
    ...settings.allowedUnsafeSysctls.map((pattern) => ['--allowed-unsafe-sysctls', pattern]),
    ...(settings.singleProcessOomKill ? [['--single-process-oom-kill']] : []),
    ...resourceArguments(settings),
    ...shutdownArguments(settings),
    ['--image-port', String(settings.imagePort)],
    ['--log-level', settings.logLevel],
  ];
}

function etcdFlags(settings: Settings): string[][] {
  const { etcdCa, etcdCert, etcdKey, etcdServerName } = settings;
  const flags: [string, string | undefined][] = [
    ['--etcd-username', settings.etcdUsername],
    ['--etcd-password-file', settings.etcdPasswordFile],
    ['--etcd-ca', etcdCa],
    ['--etcd-cert', etcdCert],
    ['--etcd-key', etcdKey],
    ['--etcd-server-name', etcdServerName],
  ];
  return flags.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
}

/** A store, as flags name it. */
export function storeOf(text: string): StoreChoice {
  const choice = parseStore(text);
  if (!choice)
    throw new InvalidArgumentError('write it as sqlite, etcd or etcd://10.0.0.1:2379,10.0.0.2:2379.');
  return choice;
}

function listenOf(text: string) {
  const listen = parseListen(text);
  if (!listen) throw new InvalidArgumentError('write it as 127.0.0.1:6443, [::1]:6443 or :6443.');
  return listen;
}

function addressOf(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('it is not an IP address.');
  return text;
}

/** A name may have `*` for its first label (RFC 6125). */
function serverNameOf(text: string): string {
  if (
    isIP(text) === 0 &&
    !/^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i.test(text)
  )
    throw new InvalidArgumentError('it is neither a DNS name, as api.example.org, nor an IP address.');
  return text;
}

function nameOf(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError(
      'a node name has lower case letters, digits, "-" and "." only (RFC 1123).',
    );
  }
  return text;
}

function graceOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 5_000) throw new InvalidArgumentError('write it as 40s; at least 5s.');
  return ms;
}

function cidrOf(text: string): string {
  if (!parseCidr(text)) throw new InvalidArgumentError('write it as 10.244.0.0/16.');
  return text;
}

function rangeOf(text: string): { from: number; to: number } {
  const range = parsePortRange(text);
  if (!range) throw new InvalidArgumentError('write it as 30000-32767.');
  return range;
}

function vxlanOf(text: string): VxlanSettings {
  const vxlan = parseVxlanSettings(text);
  if (!vxlan) throw new InvalidArgumentError('write it as 1:8472.');
  return vxlan;
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
