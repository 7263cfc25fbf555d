import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Kernel } from './kernel.ts';
import { makeImage } from './root.ts';

const RELEASE = 'bookworm';

/** What images of clouds have, and the agent by which the machine's owner runs commands in it. Nothing of ours: no Node, no gantry. */
const PACKAGES = [
  ...['systemd-sysv', 'dbus', 'udev', 'kmod', 'cloud-init', 'curl', 'apt', 'ca-certificates', 'apparmor'],
  ...['iproute2', 'procps', 'qemu-guest-agent'],
];

/** Nobody reads them there; they are half of all files. */
const LEFT_OUT = ['doc', 'man', 'locale', 'i18n', 'info', 'lintian'].map((name) => `/usr/share/${name}/*`);

/** Room for programs, images and what is written; the file has holes where nothing was. */
const IMAGE_MIB = 4096;

const LINKS = {
  'multi-user.target.wants/systemd-networkd.service': 'systemd-networkd.service',
  'network-online.target.wants/systemd-networkd-wait-online.service': 'systemd-networkd-wait-online.service',
};

const FILES = {
  'etc/fstab': '',
  'etc/machine-id': '',
  // There are no SSH, no other languages, and no way to Debian's servers.
  'etc/cloud/cloud.cfg.d/90-machine.cfg':
    'datasource_list: [NoCloud]\nresize_rootfs: false\nlocale: false\nssh_genkeytypes: []\n',
  // All that is logged is on the serial console, and so in a file of the host's.
  'etc/systemd/journald.conf.d/console.conf': '[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n',
  // It tells each question; what stands still is to be silent.
  'etc/systemd/system/qemu-guest-agent.service.d/quiet.conf': '[Service]\nLogLevelMax=warning\n',
};

/**
 * An ext4 image with Debian as it is in clouds: systemd, cloud-init, curl. mmdebstrap makes it from packages that apt fetches, which are
 * configured as on any machine. Made when what goes into it changed; kept below `cache`.
 */
export function makeSystem(cache: string, kernel: Kernel): string {
  const hash = createHash('sha256').update(kernel.release);
  hash.update(readFileSync(join(import.meta.dirname, 'system.ts')));
  const image = join(cache, `system-${hash.digest('hex').slice(0, 16)}.ext4`);
  if (existsSync(image)) return image;
  mkdirSync(cache, { recursive: true });
  for (const old of readdirSync(cache).filter((name) => name.startsWith('system-')))
    rmSync(join(cache, old), { recursive: true });
  const stage = join(cache, 'system-stage');
  try {
    install(stage);
    adapt(stage, kernel);
    makeImage(stage, `${image}.new`, IMAGE_MIB);
    renameSync(`${image}.new`, image);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  return image;
}

function install(stage: string): void {
  const without = LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
  execFileSync(
    'mmdebstrap',
    [
      ...['--quiet', '--mode=root', '--variant=essential', '--format=directory'],
      ...[`--include=${PACKAGES.join(',')}`, ...without, RELEASE, stage],
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    },
  );
}

/** What makes one machine of it: the kernel's modules, a network, a log on the console. */
function adapt(stage: string, kernel: Kernel): void {
  cpSync(join(kernel.directory, 'lib/modules'), join(stage, 'usr/lib/modules'), { recursive: true });
  execFileSync('chroot', [stage, 'depmod', kernel.release], { stdio: 'inherit' });
  const units = 'etc/systemd/system';
  // They would look for Debian's servers.
  rmSync(join(stage, units, 'timers.target.wants'), { recursive: true });
  rmSync(join(stage, 'etc/hostname'), { force: true });
  for (const [name, unit] of Object.entries(LINKS)) {
    const path = join(stage, units, name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(`/lib/systemd/system/${unit}`, path);
  }
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(stage, name)), { recursive: true });
    writeFileSync(join(stage, name), text);
  }
}
