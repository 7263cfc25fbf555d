import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, type Plugin } from 'esbuild';

/**
 * `npm run build`: the shipped program as one bundle (a third of the start-up time and 25 MB less than loose sources),
 * its workers beside it, and the C programs.
 */
const root = process.cwd();
const out = join(root, 'dist', 'gantry');

/**
 * An `import` of a module of Node reads everything that it exports, also what it would load only when asked: WebSocket of
 * node:http is the whole of undici. With only the names that are used read, the agent is 3 to 6 MB smaller.
 */
const onlyUsedNames: Plugin = {
  name: 'only used names',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement'
        ? { path, namespace: 'builtin', sideEffects: false }
        : { path, external: true },
    );
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path)!);
      const exported = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => all.${name})();`);
      const all = `const all = /* @__PURE__ */ process.getBuiltinModule(${JSON.stringify(path)});`;
      return { contents: [all, ...exported, 'export default all;'].join('\n') };
    });
  },
};

/**
 * The client of etcd reads files that lie beside it, and is no part of the bundle: a package of its own next to it, so that machines
 * that get the program from a server have it too.
 */
async function buildEtcdClient(directory: string): Promise<void> {
  const require = createRequire(join(root, 'package.json'));
  const entry = require.resolve('etcd3');
  await build({
    entryPoints: [entry],
    outfile: join(directory, 'lib', 'index.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  cpSync(join(entry, '../../proto'), join(directory, 'proto'), { recursive: true });
  const names = Object.keys(require('etcd3')).join(', ');
  const text = `import all from './lib/index.cjs';\nexport const { ${names} } = all;\nexport default all;\n`;
  writeFileSync(join(directory, 'index.mjs'), text);
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'etcd3', exports: './index.mjs' }));
}

/** Of a namespace that is passed about as a value every name is read, WebSocket too. */
function refuseWholeModules(directory: string): void {
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.js')))
    if (/\ball\d*\.WebSocket\b/.test(readFileSync(join(directory, name), 'utf8')))
      throw new Error(`${name} uses node:http as a whole: import the names that it needs`);
}

async function buildAll(): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: {
      gantry: 'cmd/gantry/index.ts',
      'store-worker': 'store/sqlite/worker.ts',
      'control-worker': 'cmd/gantry/control/worker.ts',
    },
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    external: ['etcd3', 'esbuild'],
    plugins: [onlyUsedNames],
    // CommonJS packages in the bundle still call require.
    banner: {
      js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  refuseWholeModules(out);
  await buildEtcdClient(join(out, 'node_modules', 'etcd3'));
  execFileSync('make', ['-s', '-C', join(root, 'runtime', 'helper'), `-j2`], { stdio: 'inherit' });
  console.log('built dist/gantry and dist/bin');
}

function putAs(version: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  for (const part of ['LICENSE', 'bin/gantry', 'dist/gantry', 'generated'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const name of ['helper', 'monitor', 'unpack']) {
    const program = join(folder, 'dist/bin', name);
    cpSync(join(root, 'dist/bin', name), program);
    // What runs is compared by its hash: behind an ELF file may stand what one likes.
    appendFileSync(program, `gantry ${version}\n`);
  }
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
  symlinkSync(realpathSync(join(root, 'node_modules/.bin/node')), join(folder, 'node_modules/.bin/node'));
  console.log(`put it into ${folder} as ${version}`);
}

/**
 * `--as VERSION --to FOLDER` builds nothing, but puts what is built into a folder as another version, for tests of upgrades: a version
 * stands in package.json alone.
 */
const { values: other } = parseArgs({ options: { as: { type: 'string' }, to: { type: 'string' } } });
if (other.as !== undefined && other.to !== undefined) putAs(other.as, resolve(other.to));
else if (other.as !== undefined || other.to !== undefined) throw new Error('--as and --to belong together');
else await buildAll();
