import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AUTHORITY_NAMES } from '#api/semantics/authorities.ts';
import { CONTROL_PLANE_PATH } from '#api/well-known.ts';
import type { PathHandler } from '#apiserver/contract.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import { crossName, nextKeyName } from '#machinery/pki/directory.ts';
import { managedEtcdArguments } from './managed-etcd/options.ts';
import { MEMBERS_FILE } from './managed-etcd/record.ts';
import type { EtcdFlags, Settings } from './options.ts';
import type { Paths } from './paths.ts';
import { sharedSnapshotArguments } from './snapshot/options.ts';
import { encryptionArguments } from './state/encryption-options.ts';
import { storeText } from './state/store-choice.ts';

/** What makes a machine a server of the cluster: its authorities and keys, and where the state is. The whole cluster's secret. */
export interface ControlPlane {
  version: 1;
  /** By path below the data directory. */
  files: Record<string, string>;
  /** Of `gantry up`. */
  args: string[];
  /** Those that name one of the files. */
  fileArgs: Record<string, string>;
}

const VERSION = 1;

const PKI = AUTHORITY_NAMES.flatMap((name) => [`${name}.crt`, `${name}.key`]);
/** While an authority is being replaced. */
const NEXT = AUTHORITY_NAMES.flatMap((name) => [nextKeyName(name), crossName(name)]);

const ETCD_FILES: [flag: string, name: keyof EtcdFlags][] = [
  ['--etcd-ca', 'etcdCa'],
  ['--etcd-cert', 'etcdCert'],
  ['--etcd-key', 'etcdKey'],
  ['--etcd-password-file', 'etcdPasswordFile'],
];

/** What a server of the same settings needs. Throws Conflict where there can be no other one. */
export function controlPlaneOf(settings: Settings): ControlPlane {
  const { paths, store } = settings;
  if (store.kind === 'sqlite')
    throw new StatusError(
      'Conflict',
      'this cluster keeps its state in SQLite, on one machine: move it to etcd first (gantry promote --etcd managed, or --to etcd://...)',
    );
  const files = store.kind === 'managed-etcd' ? managedFiles(settings) : {};
  const fileArgs: Record<string, string> = {};
  for (const name of PKI) files[`pki/${name}`] = readFileSync(join(paths.pki, name), 'utf8');
  for (const name of NEXT) {
    const path = join(paths.pki, name);
    if (existsSync(path)) files[`pki/${name}`] = readFileSync(path, 'utf8');
  }
  for (const [flag, name] of ETCD_FILES) {
    const path = settings[name];
    if (path === undefined) continue;
    const at = `etcd/${flag.slice('--etcd-'.length)}`;
    files[at] = readFileSync(path, 'utf8');
    fileArgs[flag] = at;
  }
  const keys = settings.encryptionKeys ?? paths.encryptionKeys;
  if (existsSync(keys)) files['encryption-keys.json'] = readFileSync(keys, 'utf8');
  return { version: VERSION, files, args: sharedArguments(settings), fileArgs };
}

/** The authority of etcd, and where its members are. */
function managedFiles({ paths }: Settings): Record<string, string> {
  const names = ['pki/etcd-ca.crt', 'pki/etcd-ca.key', MEMBERS_FILE];
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(paths.root, name), 'utf8')]));
}

function sharedArguments(settings: Settings): string[] {
  const { podCidr, serviceCidr, nodePortRange, listen, leaderLease, etcdServerName, etcdUsername } = settings;
  const { encrypt, encryptionCommand } = settings;
  return [
    ['--store', storeText(settings.store)],
    ['--listen', `127.0.0.1:${listen.port}`],
    ['--pod-cidr', podCidr],
    ['--service-cidr', serviceCidr],
    ['--node-port-range', `${nodePortRange.from}-${nodePortRange.to}`],
    ['--leader-lease', `${leaderLease}ms`],
    ['--rotate-authorities', settings.rotateAuthorities],
    ['--node-grace-period', `${settings.nodeGracePeriod}ms`],
    ['--vxlan', `${settings.vxlan.id}:${settings.vxlan.port}`],
    ...settings.tlsSan.map((name) => ['--tls-san', name]),
    // Interfaces have other names elsewhere.
    ...settings.virtualAddress.map(({ address }) => ['--virtual-address', address]),
    ...managedEtcdArguments(settings),
    ...(etcdServerName === undefined ? [] : [['--etcd-server-name', etcdServerName]]),
    ...(etcdUsername === undefined ? [] : [['--etcd-username', etcdUsername]]),
    ...sharedSnapshotArguments(settings),
    ...encryptionArguments({ encrypt, ...(encryptionCommand !== undefined && { encryptionCommand }) }),
  ].flat();
}

/** Gives it to whoever RBAC lets `post` there: machines with a token of role server. */
export function controlPlaneHandler(settings: Settings): PathHandler {
  return {
    path: CONTROL_PLANE_PATH,
    verb: 'post',
    serve: async () => ({
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
      body: Buffer.from(JSON.stringify(controlPlaneOf(settings))),
    }),
  };
}

/** Reads what a server gave. Throws for what is of another version, or would be written elsewhere. */
export function parseControlPlane(text: string): ControlPlane {
  return checked(JSON.parse(text));
}

function checked(plane: ControlPlane): ControlPlane {
  if (plane.version !== VERSION)
    throw new Error(`the server speaks version ${plane.version} of joining servers, this program ${VERSION}`);
  const names = [...Object.keys(plane.files), ...Object.values(plane.fileArgs)];
  const odd = names.find((name) => !/^([a-z]+\/)?[a-z][a-z.-]*$/.test(name) || name.includes('..'));
  if (odd !== undefined) throw new Error(`the server names a file ${JSON.stringify(odd)}`);
  if (!plane.args.every((arg) => typeof arg === 'string')) throw new Error('the server sent no arguments');
  return plane;
}

const STATE = 'control-plane.json';

/** What a machine keeps of the cluster whose server it is, or is about to become. */
export interface KeptControlPlane {
  /** Of `gantry up`. */
  args: string[];
  /** Not all that it takes was done yet. */
  joining: boolean;
}

/**
 * Writes all of it. The first file says that the machine is joining, the last one, of a cluster whose etcd it is not to become a part of, that
 * it has.
 */
export async function writeControlPlane(
  files: Files,
  paths: Paths,
  plane: ControlPlane,
  joining = false,
): Promise<void> {
  await writeState(files, paths, plane, true);
  for (const [name, text] of Object.entries(plane.files)) {
    const path = join(paths.root, name);
    await files.mkdir(join(path, '..'), 0o700);
    await files.write(path, text, 0o600);
  }
  if (!joining) await writeState(files, paths, plane, false);
}

/** From now on the machine is a server, and needs no token any more. */
export async function completeControlPlane(files: Files, paths: Paths): Promise<void> {
  const state = await readState(files, paths);
  if (state) await writeState(files, paths, state, false);
}

type State = Omit<ControlPlane, 'files'> & { joining?: boolean };

async function writeState(
  files: Files,
  { root }: Paths,
  { version, args, fileArgs }: State,
  joining: boolean,
): Promise<void> {
  const state = { version, args, fileArgs, ...(joining && { joining }) };
  await files.write(join(root, STATE), `${JSON.stringify(state, null, 2)}\n`, 0o600);
}

async function readState(files: Files, { root }: Paths): Promise<State | undefined> {
  const bytes = await files.read(join(root, STATE));
  if (!bytes) return undefined;
  const state = JSON.parse(Buffer.from(bytes).toString()) as State;
  checked({ ...state, files: {} });
  return state;
}

/** undefined: the machine is no server that has joined, and is not on the way. */
export async function keptControlPlane(files: Files, paths: Paths): Promise<KeptControlPlane | undefined> {
  const state = await readState(files, paths);
  if (!state) return undefined;
  const { args, fileArgs, joining = false } = state;
  const named = Object.entries(fileArgs).flatMap(([flag, name]) => [flag, join(paths.root, name)]);
  return { args: [...args, ...named], joining };
}
