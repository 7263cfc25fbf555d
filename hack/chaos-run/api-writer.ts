import type { ConfigMap } from '#api/objects.ts';
import type { Random } from '#machinery/random.ts';

/** What a server answers; `why` when there is no whole answer, and so nothing is known. */
export type ApiAnswer = { status: number; body: Partial<ConfigMap> } | { why: string };

/** A line of what a client saw. `broken`: something that a client must never see. */
export type Line =
  | {
      op: 'record' | 'create' | 'count' | 'read';
      writer: string;
      n: number;
      ok: boolean;
      ms: number;
      via: string;
      why?: string | undefined;
    }
  | { op: 'broken'; writer: string; why: string };

export type Say = (line: Line) => void;

interface Deps {
  writer: string;
  namespace: string;
  servers: readonly string[];
  /** Which server is asked first. */
  first: number;
  random: Random;
  send(server: string, method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  say: Say;
}

/** So often the counter is counted up, and what was written is read elsewhere. */
const COUNT_EVERY = 4;
const READ_EVERY = 2;

/**
 * A client of the API that knows what it was promised: objects with numbers, each made once; a counter that is replaced only
 * as it was last read; reads, of any server, that never show less than what was acknowledged or read before.
 */
export class ApiWriter {
  readonly #deps: Deps;
  #at: number;
  #next = 1;
  #count = { acknowledged: 0, tried: 0 };
  /** The newest resourceVersion that any answer has had. */
  #seen = 0n;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#at = deps.first;
  }

  /** The next object, and what is due after it; false when no server has taken it, and it is to be tried again. */
  async step(): Promise<boolean> {
    const n = this.#next;
    const name = this.#nameOf(n);
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { n: `${n}` } };
    const answer = await this.#ask('create', n, 'POST', this.#path(), body);
    // Of an answer that was lost: it is there.
    const ok = answer !== undefined && (answer.status === 201 || answer.status === 409);
    if (!ok) {
      this.#at++;
      return false;
    }
    if (answer.status === 201) this.#wrote(answer.body, name);
    this.#next++;
    if (n % READ_EVERY === 0) await this.#read(n);
    if (n % COUNT_EVERY === 0) await this.#countUp();
    return true;
  }

  /** A read without a resourceVersion is the newest there is, whoever is asked. */
  async #read(n: number): Promise<void> {
    this.#at = Math.floor(this.#deps.random.next() * this.#deps.servers.length);
    const answer = await this.#ask('read', n, 'GET', `${this.#path()}/${this.#nameOf(n)}`);
    if (answer?.status === 404) this.#broken(`${this.#nameOf(n)} was acknowledged, and is not found`);
    if (answer?.status !== 200) return;
    if (answer.body.data?.['n'] !== `${n}`)
      this.#broken(`${this.#nameOf(n)} holds ${answer.body.data?.['n']}`);
    const list = await this.#ask('read', n, 'GET', `${this.#path()}?limit=1`);
    if (list?.status === 200) this.#notBefore(list.body, 'a list');
  }

  /** Reads the counter and replaces it with the next number; what is not known to have been taken shows at the next turn. */
  async #countUp(): Promise<void> {
    const name = `counter-${this.#deps.writer}`;
    const path = `${this.#path()}/${name}`;
    const { acknowledged, tried } = this.#count;
    const read = await this.#ask('read', acknowledged, 'GET', path);
    if (read?.status === 404 && acknowledged > 0) return this.#broken(`${name} is gone`);
    if (read?.status !== 200 && read?.status !== 404) return;
    const now = Number(read.body.data?.['n'] ?? 0);
    if (now < acknowledged) this.#broken(`${name}: acknowledged at ${acknowledged}, holds ${now}`);
    if (now > tried) this.#broken(`${name}: holds ${now}, and nobody wrote more than ${tried}`);
    const n = now + 1;
    this.#count = { acknowledged: now, tried: Math.max(tried, n) };
    const metadata = {
      name,
      ...(read.status === 200 && { resourceVersion: read.body.metadata!.resourceVersion }),
    };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { n: `${n}` } };
    const [method, target] = read.status === 200 ? ['PUT', path] : ['POST', this.#path()];
    const answer = await this.#ask('count', n, method!, target!, object);
    if (answer?.status !== 200 && answer?.status !== 201) return;
    this.#count.acknowledged = n;
    this.#wrote(answer.body, name);
  }

  async #ask(
    op: 'create' | 'count' | 'read',
    n: number,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Partial<ConfigMap> } | undefined> {
    const via = this.#deps.servers[this.#at % this.#deps.servers.length]!;
    const started = performance.now();
    const answer = await this.#deps.send(via, method, path, body);
    const ms = Math.round(performance.now() - started);
    const status = 'status' in answer ? answer.status : 0;
    const ok = status > 0 && (status < 300 || (op === 'create' && status === 409));
    const why = 'why' in answer ? answer.why : ok ? undefined : `${status} ${messageOf(answer.body)}`;
    this.#deps.say({ op, writer: this.#deps.writer, n, ok, ms, via, why });
    if ('why' in answer) return undefined;
    return answer;
  }

  /** What was just written is newer than all that was seen. */
  #wrote(object: Partial<ConfigMap>, name: string): void {
    const version = versionOf(object);
    if (version <= this.#seen)
      this.#broken(`${name} was written at ${version}, and ${this.#seen} had been seen before`);
    if (version > this.#seen) this.#seen = version;
  }

  #notBefore(object: Partial<ConfigMap>, what: string): void {
    const version = versionOf(object);
    if (version < this.#seen)
      this.#broken(`${what} is of ${version}, and ${this.#seen} had been seen before`);
    else this.#seen = version;
  }

  #broken(why: string): void {
    this.#deps.say({ op: 'broken', writer: this.#deps.writer, why });
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#deps.namespace}/configmaps`;
  }

  #nameOf(n: number): string {
    return `${this.#deps.writer}-${n}`;
  }
}

function versionOf({ metadata }: Partial<ConfigMap>): bigint {
  return BigInt(metadata!.resourceVersion!);
}

function messageOf(body: unknown): string {
  return String((body as { message?: string }).message ?? '');
}
