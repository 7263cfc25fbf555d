import { unmetRefusals } from '../refusals/index.ts';
import { CHECKS } from './checks.ts';
import { readTree } from './tree.ts';

/**
 * `npm run tidy`: every check over the whole tree; exits with 1 and the list when something is out of place. `--static`
 * leaves out what needs tests to run.
 */
const tree = readTree(process.cwd());
const checks = CHECKS.map(({ name, run }) => ({ name, run: () => run(tree) }));
if (!process.argv.includes('--static'))
  checks.push({ name: 'refusals', run: () => unmetRefusals(tree.root, tree.files) });
let failed = 0;
for (const { name, run } of checks) {
  const findings = run();
  failed += findings.length > 0 ? 1 : 0;
  console.log(`${findings.length === 0 ? 'ok  ' : 'FAIL'} ${name}`);
  for (const finding of findings) console.log(`     ${finding}`);
}
console.log(`${checks.length - failed} checks in order, ${failed} not`);
process.exitCode = failed > 0 ? 1 : 0;
