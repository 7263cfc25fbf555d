/**
 * Transcripts: commands with their exact output. Lines before the first command are the preamble, for readers.
 *
 *   $ command      must succeed
 *   $! command     must fail
 *   $~ command     is repeated until its output is as written (bounded), for what takes a moment
 *   > text         goes on with the command above (here-documents)
 *
 * The output that follows is compared after `normalize`: what differs from run to run (ages, addresses, generated names,
 * times, padding) is replaced by a word in angle brackets. GANTRY_BLESS=1 rewrites the outputs; what `$~` prints is taken
 * once it has settled. Where an older kubectl has other words for the same, `name.1.NN.txt` stands for `name.txt` with it.
 */
export interface Step {
  mode: 'ok' | 'fail' | 'until';
  command: string;
  output: string;
}

export interface Transcript {
  preamble: string;
  steps: Step[];
}

const MODES: Record<string, Step['mode']> = { '': 'ok', '!': 'fail', '~': 'until' };

export function parseTranscript(text: string): Transcript {
  const steps: Step[] = [];
  const preamble: string[] = [];
  const output: string[][] = [];
  for (const line of text.split('\n')) {
    const start = /^\$([!~]?) (.*)$/.exec(line);
    if (start) {
      steps.push({ mode: MODES[start[1]!]!, command: start[2]!, output: '' });
      output.push([]);
    } else if (steps.length === 0) preamble.push(line);
    else if (line.startsWith('> ') && output.at(-1)!.length === 0)
      steps.at(-1)!.command += `\n${line.slice(2)}`;
    else output.at(-1)!.push(line);
  }
  for (const [i, step] of steps.entries()) step.output = output[i]!.join('\n').trimEnd();
  return { preamble: preamble.join('\n').trimEnd(), steps };
}

export function formatTranscript({ preamble, steps }: Transcript): string {
  const marks: Record<Step['mode'], string> = { ok: '$', fail: '$!', until: '$~' };
  const blocks = steps.map(({ mode, command, output }) => {
    const [first, ...rest] = command.split('\n');
    return [
      `${marks[mode]} ${first}`,
      ...rest.map((line) => `> ${line}`),
      ...(output ? [output] : []),
      '',
    ].join('\n');
  });
  return `${preamble}\n\n${blocks.join('\n')}`;
}

/** In this order; each is a thing that differs from run to run and says nothing. */
const REPLACEMENTS: [RegExp, string][] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uid>'],
  [/\bsha256:[0-9a-f]{64}\b/g, '<digest>'],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, '<time>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\b/g, '<time>'],
  [/\b10\.244\.\d+\.\d+\b/g, '<pod-ip>'],
  [/\b10\.96\.\d+\.\d+\b/g, '<cluster-ip>'],
  [/-[bcdf-hj-np-tv-xz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, '-<rs>-<pod>'],
  [/-[bcdf-hj-np-tv-xz2456789]{8,10}\b/g, '-<rs>'],
  [/\bkube-api-access-[a-z0-9]{5}\b/g, 'kube-api-access-<x>'],
  [/("?resourceVersion"?: ?)"\d+"/g, '$1"<rv>"'],
  [/-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, '-<x>'],
  [/\bX509SHA256=[0-9a-f]{64}\b/g, 'X509SHA256=<digest>'],
  [/\bv0\.\d+\.\d+\b/g, '<version>'],
  // A quantity of CPU and a time somebody chose are no ages.
  [
    /(?<=\s|^|\()(?<!\bcpu:?\s+|such as |op=Exists for )(?:\d+y)?(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+(?:ms|[smhd])(?=\s|$|\)|,| ago)/gm,
    '<age>',
  ],
  [/\b3\d{4}(?=\/TCP|\/UDP)/g, '<node-port>'],
  [/pod-template-hash=\w+/g, 'pod-template-hash=<rs>'],
];

export function normalize(output: string): string {
  let text = output;
  for (const [pattern, word] of REPLACEMENTS) text = text.replace(pattern, word);
  return text
    .split('\n')
    .map((line) => line.replace(/(\S)(?: {2,}|\t+)(?=\S)/g, '$1   ').trimEnd())
    .join('\n')
    .trimEnd();
}
