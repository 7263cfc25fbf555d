import { CHECKS } from './checks.ts';
import { readTree } from './tree.ts';

/** `npm run tidy`: every check over the whole tree; exits with 1 and the list when something is out of place. */
const tree = readTree(process.cwd());
let failed = 0;
for (const check of CHECKS) {
  const findings = check.run(tree);
  failed += findings.length > 0 ? 1 : 0;
  console.log(`${findings.length === 0 ? 'ok  ' : 'FAIL'} ${check.name}`);
  for (const finding of findings) console.log(`     ${finding}`);
}
console.log(`${CHECKS.length - failed} checks in order, ${failed} not`);
process.exitCode = failed > 0 ? 1 : 0;
