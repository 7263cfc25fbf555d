import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { AddressKernel } from '#network/virtual-address/kernel.ts';
import type { Paths } from '../paths.ts';
import type { VirtualAddress } from './address.ts';

/** `virtual-addresses.json`: those that the server of this machine was started with, for commands that run without its flags. */

const FILE = 'virtual-addresses.json';

export async function writeVirtualAddresses(
  files: Files,
  { root }: Paths,
  addresses: readonly VirtualAddress[],
): Promise<void> {
  const path = join(root, FILE);
  if (addresses.length === 0) await files.remove(path);
  else await files.write(path, `${JSON.stringify(addresses)}\n`, 0o600);
}

/** None before the first start of a server that has some. */
export function readVirtualAddresses({ root }: Paths): VirtualAddress[] {
  try {
    return JSON.parse(readFileSync(join(root, FILE), 'utf8')) as VirtualAddress[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Where all servers are reached, when they have a virtual address; `local`: the URL of this machine's own. */
export function virtualUrl(paths: Paths, local: string): string | undefined {
  const [first] = readVirtualAddresses(paths);
  return first && `https://${hostPort(first.address, new URL(local).port || 443)}`;
}

/** Takes off this machine what a server that was killed may have left; the kernel would within seconds. */
export async function takeOff(paths: Paths, kernel: AddressKernel): Promise<void> {
  const interfaces = networkInterfaces();
  for (const { address } of readVirtualAddresses(paths))
    for (const [name, each] of Object.entries(interfaces))
      if (each?.some((one) => one.address === address))
        await kernel.release(await kernel.link(name), address);
}
