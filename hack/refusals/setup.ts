/** Notes in each test file which sites have really refused something. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { FieldError } from '#api/kind.ts';
import type { Faults } from '#api/validation/faults.ts';
import { MARK, type Site } from './sites.ts';

type Marked = Faults & { site?: Site };

const hit = new Set<Site>();

function refusing(site: Site, faults: Marked): Faults {
  if (faults.site === undefined) {
    const { list } = faults;
    // Not to be seen when tests compare lists.
    Object.defineProperty(list, 'push', {
      value(...added: FieldError[]) {
        hit.add(faults.site!);
        return Array.prototype.push.apply(list, added);
      },
    });
  }
  faults.site = site;
  return faults;
}

Object.assign(globalThis, { [MARK]: refusing });

afterAll(() => {
  const directory = process.env['GANTRY_REFUSALS'];
  if (directory) appendFileSync(join(directory, 'hit'), [...hit].map((site) => `${site}\n`).join(''));
});
