import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Promoted, PromotionStep } from '#apiserver/promotion/promote.ts';
import type { Http2Transport } from '#client/http2-transport.ts';
import { sleep, systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemRandom, uuid } from '#machinery/random.ts';
import { type Body, collect } from '#machinery/transport.ts';
import { connect } from '../connection/connect.ts';
import { isInUse } from '../machine/processes.ts';
import type { EtcdFlags } from '../options.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';
import { formatBytes } from '../table.ts';
import { oldStorePath } from './old-store.ts';
import {
  PROMOTION_PATH,
  type PromotionLine,
  type PromotionRequest,
  type PromotionState,
} from './promotion.ts';
import { type StoreChoice, storeText } from './store-choice.ts';
import { etcdFlagsOf } from './store-record.ts';

export interface PromoteFlags extends EtcdFlags {
  dataDir: string;
  to: StoreChoice;
  output?: string;
}

/** How long the server may take to start on the new store before the command goes without having seen it. */
const BACK_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** `gantry promote`: asks the running server to move the cluster to etcd, shows how far it is, and waits until it serves from there. */
export async function promote(flags: PromoteFlags): Promise<number> {
  const { to, dataDir, output } = flags;
  if (to.kind === 'sqlite') throw new Error('--to names no etcd: write it as etcd://host:port,...');
  const paths = pathsOf(dataDir);
  if (!isInUse(paths))
    throw new Error(
      `no server runs on ${paths.root}: start it first; or move a stopped one with "gantry backup" and "gantry restore --store ${storeText(to)}"`,
    );
  const { transport } = connect(paths.adminKubeconfig);
  const id = uuid(systemRandom);
  const quiet = output === 'json';
  try {
    const told = await ask(transport, { id, store: storeText(to), etcd: etcdFlagsOf(flags) }, quiet);
    const promoted = await untilBack(transport, id, told.failure);
    const facts = {
      store: storeText(to),
      ...promoted,
      awayMs: Math.round(systemClock.monotonic() - told.heldAt),
    };
    process.stdout.write(quiet ? `${JSON.stringify(facts, null, 2)}\n` : text(paths, facts));
    return 0;
  } finally {
    transport.close();
  }
}

/** What the server said. */
interface Told {
  /** When writes began to be held, in monotonic ms. */
  heldAt: number;
  /** How the connection ended, when there was no result: the promotion may have come to its end all the same. */
  failure: Error | undefined;
}

async function ask(transport: Http2Transport, request: PromotionRequest, quiet: boolean): Promise<Told> {
  const headers = { 'content-type': 'application/json' };
  const body = Buffer.from(JSON.stringify(request));
  const answer = await transport
    .request({ method: 'POST', path: PROMOTION_PATH, headers, body })
    .catch((error: Error) => error);
  // It may have begun all the same.
  if (answer instanceof Error) return { heldAt: systemClock.monotonic(), failure: answer };
  if (answer.status !== 200) {
    const { message } = JSON.parse(Buffer.from(await collect(answer.body)).toString()) as { message: string };
    throw new Error(message);
  }
  return await follow(answer.body, quiet ? () => undefined : told());
}

/** Shows lines to people: steps on one that is written over, warnings on their own. */
function told(): (line: PromotionLine) => void {
  const line = progressLine();
  return (said) => {
    if ('progress' in said) line.show(inWords(said.progress));
    else line.end();
    if ('warning' in said) process.stderr.write(`gantry: ${said.warning}\n`);
  };
}

function inWords(step: PromotionStep): string {
  switch (step.step) {
    case 'checked':
      return `${step.entries} entries, ${formatBytes(step.bytes)}`;
    case 'copy':
      return `copying: ${step.entries} of ${step.of} entries`;
    case 'hold':
      return 'writes are held';
    case 'compare':
      return 'comparing';
  }
}

async function follow(body: Body, show: (line: PromotionLine) => void): Promise<Told> {
  let heldAt = systemClock.monotonic();
  const input = Readable.from(body instanceof Uint8Array ? [body] : body);
  try {
    for await (const text of createInterface({ input })) {
      const line = JSON.parse(text) as PromotionLine;
      show(line);
      if ('progress' in line && line.progress.step === 'hold') heldAt = systemClock.monotonic();
      if ('error' in line) throw new GivenUpError(line.error);
      if ('result' in line) return { heldAt, failure: undefined };
    }
    return { heldAt, failure: new Error('the server ended') };
  } catch (error) {
    if (error instanceof GivenUpError) throw error;
    return { heldAt, failure: error as Error };
  }
}

class GivenUpError extends Error {
  constructor(why: string) {
    super(`not promoted, the old store is in charge as before: ${why}`);
  }
}

/** Resolves once a server serves from the new store. */
async function untilBack(
  transport: Http2Transport,
  id: string,
  failure: Error | undefined,
): Promise<Promoted> {
  const end = systemClock.monotonic() + BACK_MS;
  for (let last = failure; ; ) {
    try {
      const state = await get<PromotionState>(transport, PROMOTION_PATH);
      const promoted = state?.promoted?.id === id ? state.promoted : undefined;
      if (promoted && state!.store !== 'sqlite' && (await isReady(transport))) return promoted;
      if (!promoted && failure && state && !state.running)
        throw new GivenUpError(`the connection to the server broke (${messageOf(failure)}); run it again`);
    } catch (error) {
      if (error instanceof GivenUpError) throw error;
      last = error as Error;
    }
    if (systemClock.monotonic() > end)
      throw new Error(
        `the server does not answer (${last ? messageOf(last) : 'it is not ready'}): see its log`,
      );
    await sleep(systemClock, LOOK_EVERY_MS);
  }
}

async function get<T>(transport: Http2Transport, path: string): Promise<T | undefined> {
  const { status, body } = await transport.request({ method: 'GET', path, headers: {} });
  const text = Buffer.from(await collect(body)).toString();
  return status === 200 ? (JSON.parse(text) as T) : undefined;
}

async function isReady(transport: Http2Transport): Promise<boolean> {
  const { status, body } = await transport.request({ method: 'GET', path: '/readyz', headers: {} });
  await collect(body);
  return status === 200;
}

function text(paths: Paths, facts: Promoted & { store: string; awayMs: number }): string {
  const { entries, bytes, store, base, heldMs, awayMs } = facts;
  return [
    `promoted ${entries} entries, ${formatBytes(bytes)}, to ${store}; resourceVersions go on from ${base}`,
    `writes waited for ${seconds(heldMs)}, and the API was ready again ${seconds(awayMs)} after they began to`,
    `the old store is kept as ${oldStorePath(paths)}; it is not needed any more`,
    '',
  ].join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
