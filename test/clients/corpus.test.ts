/** Plays the corpus (corpus-format.ts) against a server over HTTPS: no controllers, so that every version is told by the file. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Agent, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, type Served, serve } from '#apiserver/testing/served.ts';
import { type Clock, systemClock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import { MemoryStore } from '#store/memory/index.ts';
import {
  type CaseRequest,
  type Corpus,
  formatCorpus,
  formatJson,
  Masks,
  parseCorpus,
  requestOf,
  SHOWN_HEADERS,
} from './corpus-format.ts';

const FOLDER = new URL('corpus', import.meta.url).pathname;
const BLESS = process.env['GANTRY_BLESS'] !== undefined;

interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

for (const file of readdirSync(FOLDER)
  .filter((name) => name.endsWith('.http'))
  .sort()) {
  const path = join(FOLDER, file);
  const corpus = parseCorpus(readFileSync(path, 'utf8'));
  describe(file, () => {
    const answers: string[] = [];
    let api: Served;
    beforeAll(async () => {
      const clock = standing();
      const store = new MemoryStore({ clock });
      api = await serve({ store, clock, random: seededRandom(1) });
      answers.push(...(await play(corpus, api, store)));
      if (!BLESS) return;
      for (const [i, answer] of answers.entries()) corpus.cases[i]!.expected = answer;
      writeFileSync(path, formatCorpus(corpus));
    });
    afterAll(() => api.stop());
    for (const [i, { title, expected }] of corpus.cases.entries())
      test(title, () => expect(answers[i]).toBe(BLESS ? answers[i] : expected));
  });
}

/** No time passes but for timers: what comes in the order of time is in the order of names. */
function standing(): Clock {
  const start = systemClock.now();
  return { ...systemClock, now: () => start };
}

/** Each case in turn: later ones see what earlier ones have left. */
async function play(corpus: Corpus, api: Served, store: MemoryStore): Promise<string[]> {
  const masks = new Masks({ hideManaged: !/^managedFields: shown$/m.test(corpus.preamble) });
  const bodies = new Map<string, unknown>();
  const agents = new Map<string, Agent>();
  const answers: string[] = [];
  try {
    for (const { title, request } of corpus.cases) {
      const asked = requestOf(request, (reference) => lookUp(bodies, reference));
      if (asked.afterCompaction) await store.compact(await store.revision());
      const agent = await agentOf(asked.user, api, agents);
      const answer = await ask(asked, agent, api.port).catch((cause: unknown) => {
        throw new Error(`no answer: ${title}`, { cause });
      });
      if (asked.name) bodies.set(asked.name, JSON.parse(answer.text));
      answers.push(shown(answer, masks));
    }
  } finally {
    for (const agent of agents.values()) agent.destroy();
  }
  return answers;
}

/** `web.metadata.uid`, `list.items.0.metadata.name`: a member of the body that a named case was answered with. */
function lookUp(bodies: ReadonlyMap<string, unknown>, reference: string): string {
  const [name = '', ...members] = reference.split('.');
  let value = bodies.get(name);
  for (const member of members) value = (value as Record<string, unknown> | undefined)?.[member];
  if (typeof value !== 'string' && typeof value !== 'number') throw new Error(`no value of {{${reference}}}`);
  return encodeURIComponent(value);
}

async function agentOf(
  user: CaseRequest['user'],
  { authority, client }: Served,
  agents: Map<string, Agent>,
): Promise<Agent> {
  const { name, groups } = user === 'nobody' ? { name: '', groups: [] } : (user ?? ADMIN);
  const key = [name, ...groups].join(' ');
  const known = agents.get(key);
  if (known) return known;
  const { certificate, key: privateKey } = name ? await client(name, groups) : NO_CERTIFICATE;
  const agent = new HttpsAgent({
    ...{ ca: authority.certificate, cert: certificate, key: privateKey, keepAlive: true, maxSockets: 1 },
  });
  agents.set(key, agent);
  return agent;
}

const ADMIN = { name: 'admin', groups: ['system:masters'] };
const NO_CERTIFICATE = { certificate: undefined, key: undefined };

function ask(asked: CaseRequest, agent: Agent, port: number): Promise<Answer> {
  const { method, path, headers, body, take } = asked;
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: HOST, port, method, path, headers, agent }, (response) => {
      let text = '';
      const done = () => {
        const shownHeaders = response.headers as Record<string, string>;
        resolve({ status: response.statusCode!, headers: shownHeaders, text });
      };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (take === undefined || text.split('\n').length - 1 < take) return;
        text = text.split('\n').slice(0, take).join('\n');
        done();
        response.destroy();
      });
      response.on('end', done);
      // Hanging up is an error of the stream, but none of the test's; what comes before that is not resolved yet.
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Our own warning of kinds that no controller looks after: it goes when one does. */
const UNWATCHED = /299 - "[^"]* are kept, but nothing acts on them yet"(?:, )?/g;

function shown({ status, headers, text }: Answer, masks: Masks): string {
  const lines = [String(status)];
  for (const name of SHOWN_HEADERS) {
    const value = name === 'warning' ? headers[name]?.replace(UNWATCHED, '') : headers[name];
    if (value) lines.push(`${name}: ${masks.text(value)}`);
  }
  const body = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .map((line) => (isJson(text) ? formatJson(masks.json(JSON.parse(line))) : masks.text(line)));
  return [...lines, '', ...body].join('\n').trim();
}

function isJson(text: string): boolean {
  return text.startsWith('{') && !text.includes('\n  ');
}
