/**
 * What tidy holds the tree to. Limits only ever go down; a rule is never loosened to let something pass.
 */

export const ROOMS = [
  'machinery',
  'api',
  'store',
  'oci',
  'runtime',
  'snapshots',
  'network',
  'volumes',
  'client',
  'apiserver',
  'controllers',
  'scheduler',
  'node-agent',
  'simulator',
  'cmd',
  'test',
  'hack',
] as const;

export type Room = (typeof ROOMS)[number];

/** Who may import whom (docs/design.md). A room may always import itself. */
export const MAY_IMPORT: Record<Room, readonly Room[] | 'anything'> = {
  machinery: [],
  api: ['machinery'],
  store: ['machinery'],
  oci: ['machinery'],
  runtime: ['machinery'],
  snapshots: ['machinery', 'api', 'oci'],
  network: ['machinery', 'api'],
  volumes: ['machinery', 'api'],
  client: ['machinery', 'api'],
  apiserver: ['machinery', 'api', 'store'],
  controllers: ['machinery', 'api', 'client'],
  scheduler: ['machinery', 'api', 'client'],
  'node-agent': ['machinery', 'api', 'client', 'oci', 'runtime', 'snapshots', 'network', 'volumes'],
  simulator: 'anything',
  cmd: 'anything',
  test: 'anything',
  hack: 'anything',
};

/** Nobody imports these, but for the exceptions. */
export const LEAVES: Partial<Record<Room, readonly Room[]>> = {
  simulator: ['cmd', 'test', 'hack'],
  cmd: ['test', 'hack'],
  test: ['hack'],
  hack: ['test', 'cmd'],
};

/** Folders whose subfolders are siblings and never import each other. */
export const SIBLINGS = ['controllers', 'volumes', 'network/drivers', 'store'] as const;

/** Subfolders of those that everyone beside them may import. */
export const SHARED_FOLDERS = [
  'store/model',
  'controllers/framework',
  'volumes/testing',
  'volumes/files',
] as const;

/** Effects that have one owner: pattern → the files in which it may stand. */
export const BANNED: { pattern: RegExp; what: string; allowed: RegExp }[] = [
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    what: 'reads the time: take a Clock',
    allowed: /^(machinery\/clock\.ts|hack\/|test\/|cmd\/)|\.test\.ts$|\/testing\/|conformance\.ts$/,
  },
  {
    pattern: /(?<![.\w])(setTimeout|setInterval)\(/,
    what: 'starts a timer: take a Clock',
    allowed: /^(machinery\/clock\.ts|hack\/|test\/|cmd\/)|\.test\.ts$|\/testing\/|conformance\.ts$/,
  },
  {
    pattern: /\bMath\.random\(/,
    what: 'draws chance: take a Random',
    allowed: /^machinery\/random\.ts$/,
  },
  {
    pattern: /(?<![.\w#])process\.(env\b|exit\(|argv\b)/,
    what: 'reads environment or flags, or ends the process: that is for cmd',
    allowed: /^(cmd\/|hack\/|test\/|runtime\/fake\/programs\.ts$)|\.test\.ts$|\/testing\//,
  },
  {
    pattern: /from 'node:child_process'/,
    what: 'starts processes: only the runtime (its helper and unpack) and cmd do',
    allowed: /^(cmd\/|hack\/|test\/|runtime\/native\/)|\.test\.ts$|\/testing\//,
  },
  { pattern: /\bconsole\./, what: 'prints: take a Log', allowed: /^(cmd\/|hack\/|test\/)/ },
  {
    pattern: /@ts-(ignore|nocheck)|biome-ignore-all/,
    what: 'switches a check off',
    allowed: /^hack\/tidy\//,
  },
  {
    pattern: /\b(TODO|FIXME|XXX)\b/,
    what: 'leaves a note instead of an issue',
    allowed: /^hack\/tidy\//,
  },
];

/** Lines of a TypeScript file; tests and conformance suites may be longer. */
export const MAX_FILE_LINES = 400;
export const MAX_TEST_FILE_LINES = 600;

/** Lines of a C file. */
export const MAX_C_FILE_LINES = 500;

/** 95th percentile of lines over all source files. */
export const P95_FILE_LINES = 260;

/** Lines of a function, and the 95th percentile over all that are no tests. */
export const MAX_FUNCTION_LINES = 85;
export const MAX_C_FUNCTION_LINES = 45;
export const P95_FUNCTION_LINES = 30;

/** Share of comments among the lines of source that are not empty: this one goes up. */
export const MIN_COMMENT_SHARE = 0.08;

/** Contracts beside those in files called contract.ts (docs/design.md, "Contracts"). */
export const CONTRACTS =
  /(^|\/)contract\.ts$|^machinery\/(component|clock|random|io|transport)\.ts$|^api\/(kind|why|node-link)\.ts$|^store\/value\.ts$|^apiserver\/engine\/base\.ts$/;

/** Contracts that have one implementation only, or lists of many that share no cases: a test of its own holds each. */
export const WITHOUT_CONFORMANCE = [
  'machinery/streams',
  'oci',
  'network/netlink',
  'scheduler',
  'apiserver',
  'controllers/framework',
] as const;

/** Words that say nothing about what a file is for. */
export const BANNED_NAMES = /(^|[-/.])(utils?|helpers?|common|misc|manager)([-/.]|$)/;

/** `runtime/helper` is the program's name in the design. */
export const ALLOWED_NAMES = /^runtime\/(helper\/|native\/helper-client|native\/helper)/;

/** kubectl commands of which each needs a transcript. */
export const TRANSCRIPTS = [
  'apply',
  'get',
  'describe',
  'logs',
  'exec',
  'scale',
  'rollout',
  'set-image',
  'expose',
  'run',
  'create',
  'label',
  'annotate',
  'patch',
  'edit',
  'wait',
  'explain',
  'api-resources',
  'events',
  'delete',
  'errors',
] as const;
