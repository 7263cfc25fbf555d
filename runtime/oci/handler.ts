import type { RuntimeHandler } from '../contract.ts';

/** Which OCI runtimes a node has, and what they can do, by what their programs say of themselves. Pure. */

/** An OCI runtime by which pods of a RuntimeClass are run. */
export interface Handler extends RuntimeHandler {
  /** Absolute path. */
  program: string;
  /** As the program says it: `runc version 1.1.5`. */
  version: string;
}

export interface Candidate {
  /** What RuntimeClass.handler calls it. */
  name: string;
  /** Names of programs; the first that is found and fits is taken. */
  programs: readonly string[];
}

/** A driver of another OCI runtime with runc's command line is one entry here. */
export const CANDIDATES: readonly Candidate[] = [
  { name: 'oci', programs: ['runc', 'crun', 'youki'] },
  { name: 'runc', programs: ['runc'] },
  { name: 'crun', programs: ['crun'] },
  { name: 'youki', programs: ['youki'] },
  { name: 'runsc', programs: ['runsc'] },
  { name: 'kata', programs: ['kata-runtime'] },
];

/** What a program answered to `--version` and `features`; undefined where it failed. */
export interface Answers {
  program: string;
  version: string | undefined;
  features: string | undefined;
}

/** Since 2.0 kata-runtime has no OCI commands any more: it is used through containerd only. */
const LAST_KATA = 1;
/** crun learned `rro` before it learned to say so by `features` (1.8.6). */
const CRUN_RRO_SINCE = [1, 4] as const;

/** The handlers whose programs were found, in the order of CANDIDATES. `answers`: by the program's name. */
export function handlersOf(answers: ReadonlyMap<string, Answers>): Handler[] {
  return CANDIDATES.flatMap(({ name, programs }) => {
    const found = programs.map((program) => handlerOf(name, program, answers.get(program)));
    return found.find((handler) => handler !== undefined) ?? [];
  });
}

function handlerOf(name: string, program: string, answers: Answers | undefined): Handler | undefined {
  const version = answers?.version?.split('\n')[0]?.trim();
  const number = /(\d+)\.(\d+)/.exec(version ?? '');
  if (!answers || !version || !number) return undefined;
  const [major, minor] = [Number(number[1]), Number(number[2])];
  if (program === 'kata-runtime' && major > LAST_KATA) return undefined;
  const told = mountOptions(answers.features);
  const [sinceMajor, sinceMinor] = CRUN_RRO_SINCE;
  const known = program === 'crun' && (major > sinceMajor || (major === sinceMajor && minor >= sinceMinor));
  // User namespaces: their mappings are not handed on to OCI runtimes (bundle.ts refuses such pods).
  const features = { recursiveReadOnlyMounts: told?.includes('rro') ?? known, userNamespaces: false };
  return { name, program: answers.program, version, features };
}

/** Source: OCI runtime-spec, "Features Structure". */
function mountOptions(features: string | undefined): string[] | undefined {
  if (features === undefined) return undefined;
  try {
    const { mountOptions: options } = JSON.parse(features) as { mountOptions?: unknown };
    return Array.isArray(options) ? options.map(String) : undefined;
  } catch {
    // Not every program that takes the command answers in JSON: then nothing is known.
    return undefined;
  }
}
