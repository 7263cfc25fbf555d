/** The places where validation refuses an object: calls of a method of Faults in api/. */

/** `api/validation/job.ts:12`. */
export type Site = string;

const CALL =
  /(?<![.\w])faults\.(required|invalid|invalidFor|forbidden|duplicate|notFound|notSupported|tooLong|tooMany|oneOf|notNegative|immutable)\(/g;

/** What the marked code calls before each refusal; the setup of the test run defines it. */
export const MARK = '__refusing';

/** The sites of a file. */
export function sitesOf(path: string, text: string): Site[] {
  return text
    .split('\n')
    .flatMap((line, index) => [...line.matchAll(CALL)].map(() => `${path}:${index + 1}`));
}

/** The code with a mark at each site, on the same lines. */
export function withMarks(path: string, text: string): string {
  return text
    .split('\n')
    .map((line, index) =>
      line.replace(CALL, (_call, method: string) => `${MARK}('${path}:${index + 1}', faults).${method}(`),
    )
    .join('\n');
}

/** Whether refusals are looked for in a file. */
export function isJudging(path: string): boolean {
  return /^api\/(validation|kinds)\/[\w-]+\.ts$/.test(path) && path !== 'api/validation/faults.ts';
}
