import { type ContainerSpec, RuntimeError, type SandboxSpec } from './contract.ts';

const SANDBOX_ID = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** `<container name>.<attempt>`: also the name of a file and of a cgroup. */
const CONTAINER_ID = /^[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?$/;
const MAX_ID = 2 ** 31 - 1;

function refuse(what: string): never {
  throw new RuntimeError('InvalidSpec', what);
}

/** Refuses what could name something outside of the sandbox; throws RuntimeError InvalidSpec. */
export function validateSandbox(spec: SandboxSpec): void {
  if (!SANDBOX_ID.test(spec.id)) refuse(`sandbox id ${JSON.stringify(spec.id)} is not [a-z0-9-]{1,63}`);
  if (spec.cgroupParent.split('/').some((part) => part === '..' || part === '.')) {
    refuse(`cgroup parent ${spec.cgroupParent} leads out of the instance's root`);
  }
  if (Buffer.byteLength(spec.hostname) > 64) refuse(`hostname ${spec.hostname} is longer than 64 bytes`);
  for (const [name, value] of Object.entries(spec.sysctls)) {
    if (!/^[A-Za-z0-9_/.-]+$/.test(name) || name.includes('..'))
      refuse(`sysctl ${JSON.stringify(name)} is not a name`);
    if (value.includes('\n')) refuse(`the value of sysctl ${name} has more than one line`);
  }
}

/** Throws RuntimeError InvalidSpec. */
export function validateContainer(spec: ContainerSpec): void {
  if (!CONTAINER_ID.test(spec.id)) refuse(`container id ${JSON.stringify(spec.id)} is not [a-z0-9.-]{1,128}`);
  if (spec.args.length === 0 || spec.args[0] === '')
    refuse('no command to run: neither the image nor the spec names one');
  for (const text of [...spec.args, ...spec.env, spec.cwd]) {
    if (text.includes('\0')) refuse('a zero byte in an argument, variable or working directory');
  }
  for (const variable of spec.env) {
    if (!variable.includes('=')) refuse(`environment entry ${JSON.stringify(variable)} is not NAME=VALUE`);
  }
  for (const id of [spec.uid, spec.gid, ...spec.additionalGids]) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID)
      refuse(`user or group id ${id} is not in 0-${MAX_ID}`);
  }
  if (!spec.cwd.startsWith('/')) refuse(`working directory ${JSON.stringify(spec.cwd)} is not absolute`);
  for (const mount of spec.mounts) {
    if (!mount.target.startsWith('/')) refuse(`mount target ${JSON.stringify(mount.target)} is not absolute`);
  }
}
