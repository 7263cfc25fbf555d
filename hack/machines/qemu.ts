import { type ChildProcess, spawn } from 'node:child_process';

/** A PC without any help of the host's processor. */
export interface Emulated {
  cpus: number;
  memoryMib: number;
  /** Files. */
  image: string;
  initramfs: string;
  consoleLog: string;
  /** /dev/vda and on; what the machine writes is forgotten when it ends. */
  disks: readonly string[];
}

const APPEND = [
  ...['console=ttyS0', 'loglevel=4', 'panic=-1', 'apparmor=1', 'security=apparmor'],
  // The hardware is imaginary: its faults need no mitigation, its clock no calibration.
  ...['mitigations=off', 'nokaslr', 'tsc=reliable', 'audit=0', 'random.trust_cpu=on'],
];

/** Arguments of QEMU for it, without any network. */
export function emulation({ cpus, memoryMib, image, initramfs, consoleLog, disks }: Emulated): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'pc', '-cpu', 'max'],
    ...['-accel', 'tcg,thread=multi,tb-size=512', '-smp', String(cpus), '-m', String(memoryMib)],
    ...['-kernel', image, '-initrd', initramfs, '-append', APPEND.join(' ')],
    ...['-serial', `file:${consoleLog}`, '-device', 'virtio-serial', '-device', 'virtio-rng-pci'],
    ...disks.flatMap((disk) => ['-drive', `file=${disk},format=raw,if=virtio,snapshot=on,cache=unsafe`]),
  ];
}

/** Starts QEMU, by `inside` in a namespace. With us it dies, whatever we die of. */
export function startQemu(
  args: readonly string[],
  {
    inside = (command, rest) => [command, [...rest]],
    stdin = 'ignore',
  }: {
    inside?: (command: string, args: readonly string[]) => [string, string[]];
    stdin?: 'ignore' | 'inherit';
  } = {},
): ChildProcess {
  const [command, all] = inside('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args]);
  return spawn(command, all, { stdio: [stdin, 'inherit', 'inherit'] });
}
