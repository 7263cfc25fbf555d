import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
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
execFileSync('make', ['-s', '-C', join(root, 'runtime', 'helper'), `-j2`], { stdio: 'inherit' });
console.log('built dist/gantry and dist/bin');
