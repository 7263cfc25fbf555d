import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage } from './root.ts';

/** Room for what tests write into the checkout. */
const IMAGE_MIB = 512;

/** What a machine does once it is up. */
export interface Job {
  /** Host name of the machine. */
  name: string;
  /** Script for sh, run in the checkout; undefined: a shell on the console. */
  script?: string;
}

/** Writes an ext4 image with this checkout as it is now, and the job, to `image`. */
export function makeCheckout(image: string, job: Job): void {
  const stage = `${image}.stage`;
  try {
    mkdirSync(stage, { recursive: true });
    const left = new Set(['.git', 'node_modules', 'dist']);
    for (const name of readdirSync('.'))
      if (!left.has(name)) cpSync(name, join(stage, name), { recursive: true, preserveTimestamps: true });
    for (const programs of ['dist/bin', 'dist/bin-weak'])
      cpSync(programs, join(stage, programs), { recursive: true, preserveTimestamps: true });
    symlinkSync('/opt/node_modules', join(stage, 'node_modules'));
    const machine = join(stage, '.machine');
    mkdirSync(machine);
    writeFileSync(join(machine, 'name'), `${job.name}\n`);
    writeFileSync(join(machine, job.script === undefined ? 'shell' : 'job'), job.script ?? '');
    makeImage(stage, image, IMAGE_MIB);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}
