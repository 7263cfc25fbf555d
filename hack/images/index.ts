import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerArchive } from './archive.ts';
import { RECIPES } from './recipes.ts';

const USAGE = `hack/images [name...]

Makes the demo and test images from Debian packages, as archives in dist/images that "gantry image import" loads.
Without names it makes all that are missing: ${RECIPES.map(({ name }) => name).join(', ')}.
`;

async function main(names: string[]): Promise<void> {
  if (names.includes('--help')) {
    process.stdout.write(USAGE);
    return;
  }
  const directory = join(process.cwd(), 'dist', 'images');
  mkdirSync(directory, { recursive: true });
  for (const recipe of RECIPES) {
    if (names.length > 0 && !names.includes(recipe.name)) continue;
    const path = join(directory, `${recipe.name.replace(/[/:]/g, '-')}.tar`);
    if (names.length > 0 || !existsSync(path)) {
      // Of this process: several may make the same.
      const made = `${path}.${process.pid}`;
      writeFileSync(made, await dockerArchive(recipe));
      renameSync(made, path);
    }
    console.log(path);
  }
}

await main(process.argv.slice(2));
