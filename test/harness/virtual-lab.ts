import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeInitramfs } from '#hack/machines/initramfs.ts';
import { fetchKernel } from '#hack/machines/kernel.ts';
import { makeSystem } from '#hack/machines/system.ts';
import { TestCluster } from './cluster.ts';
import { Lab } from './lab.ts';
import { VirtualMachine } from './virtual-machine.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const CACHE = join(ROOT, 'dist/machines');
const IMAGE = 'gantry/hello:1';
/** It, once `loadImages` has made it. */
const ARCHIVE = 'gantry-hello-1.tar';

/**
 * A cluster whose first machine is `gantry up` on a host of a lab, and whose others are virtual machines that join by the user data
 * of `gantry cloud-config`, on two subnets.
 */
export class VirtualLab {
  readonly lab = new Lab({ hosts: 1, subnets: 2 });
  readonly cluster = new TestCluster(this.lab.hosts[0]!);
  readonly machines: VirtualMachine[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-vms-'));

  /**
   * Starts all and waits until each machine is a node that is Ready. `done` is told what has been reached; once `signal` aborts no machine
   * is started any more.
   */
  async start(count: number, done: (what: string) => void, signal?: AbortSignal): Promise<void> {
    mkdirSync(CACHE, { recursive: true });
    const kernel = fetchKernel(CACHE);
    const disk = makeSystem(CACHE, kernel);
    const initramfs = join(this.directory, 'initramfs');
    writeFileSync(initramfs, makeInitramfs(kernel, 'boot'));
    done(`Debian with kernel ${kernel.release}`);
    await this.lab.create();
    await this.cluster.up();
    await this.cluster.loadImages([IMAGE]);
    done('gantry up, on the host');
    const userData = await this.cluster.gantry(['cloud-config']);
    const image = join(ROOT, 'dist/images', ARCHIVE);
    for (let at = 0; at < count; at++) {
      signal?.throwIfAborted();
      const name = `vm-${at + 1}`;
      const system = { image: kernel.image, initramfs, disk };
      const machine = new VirtualMachine(name, await this.lab.tap(at), system, join(this.directory, name));
      this.machines.push(machine);
      await machine.start(userData, [image]);
    }
    await Promise.all(this.machines.map((machine) => this.isReady(machine)));
    done(`${count} machines have started and joined`);
    for (const machine of this.machines)
      await machine.must(
        `mount -o ro LABEL=cidata /mnt && gantry image import /mnt/${ARCHIVE} && umount /mnt`,
      );
    done('images imported');
  }

  /** Waits until the machine is a node that is Ready. */
  async isReady(machine: VirtualMachine): Promise<void> {
    await machine.until(`${machine.name} is Ready`, async () => {
      const args = ['wait', '--for=condition=Ready', `node/${machine.name}`, '--timeout=10s'];
      return (await this.cluster.kubectl(args)).code === 0 || undefined;
    });
  }

  /** Ends everything and removes every trace; returns what was left behind. */
  async destroy(): Promise<string[]> {
    await Promise.all(this.machines.map((machine) => machine.stop()));
    const left = await this.cluster.destroy();
    await this.lab.remove();
    rmSync(this.directory, { recursive: true, force: true });
    return left;
  }
}
