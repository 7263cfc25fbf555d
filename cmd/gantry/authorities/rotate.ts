import { ROTATE_AUTHORITY_PATH } from '#api/well-known.ts';
import { type Clock, sleep, systemClock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { collect, type Transport } from '#machinery/transport.ts';
import { type AdminFlags, withAdmin } from '../connect.ts';
import { progressLine } from '../progress.ts';
import { laggingText, type RotationStatus, type RotationStep } from './plan.ts';

export interface RotateFlags extends AdminFlags {
  dropOld?: boolean;
  force?: boolean;
  /** Milliseconds; 0 = as long as it takes. */
  timeout: number;
  output?: string;
}

const LOOK_EVERY_MS = 500;

/** `gantry certs rotate`: a new authority for servers beside the old one; or with `--drop-old` its end. */
export async function rotateAuthority(flags: RotateFlags): Promise<number> {
  const status = await withAdmin(flags, async (_, transport) => {
    const line = progressLine();
    try {
      const deps = { transport, clock: systemClock, show: line.show };
      return await (flags.dropOld ? dropOld(flags, deps) : rotate(flags, deps));
    } finally {
      line.end();
    }
  });
  process.stdout.write(flags.output === 'json' ? `${JSON.stringify(status)}\n` : textOf(status));
  return 0;
}

interface Deps {
  transport: Transport;
  clock: Clock;
  show(text: string): void;
}

/** Goes on where an earlier run was interrupted; each step waits until everybody has followed the one before. */
async function rotate(flags: RotateFlags, deps: Deps): Promise<RotationStatus> {
  let status = await ask(deps, 'GET');
  if (status.phase === 'issue' && laggingText(status.waitsFor) === undefined)
    throw new Error(
      'the last authority is still trusted beside the one that took its place: --drop-old first',
    );
  if (status.phase === 'stable') status = await take('trust', flags, deps);
  if (status.phase === 'trust') {
    await followed(flags, deps);
    status = await take('issue', flags, deps);
  }
  return await followed(flags, deps);
}

async function dropOld(flags: RotateFlags, deps: Deps): Promise<RotationStatus> {
  const { phase } = await ask(deps, 'GET');
  if (phase === 'stable') throw new Error('there is no old authority: "gantry certs rotate" makes a new one');
  await take('drop', flags, deps);
  return await followed(flags, deps);
}

/** Waits until everybody has followed the last step; with `force` for nobody. */
async function followed({ timeout, force }: RotateFlags, deps: Deps): Promise<RotationStatus> {
  const { clock, show } = deps;
  const endMs = timeout > 0 ? clock.monotonic() + timeout : Number.POSITIVE_INFINITY;
  for (;;) {
    const status = await ask(deps, 'GET');
    const waits = laggingText(status.waitsFor);
    if (waits === undefined || force) return status;
    show(`waiting for ${waits}`);
    if (clock.monotonic() > endMs)
      throw new Error(
        `after ${timeout / 1000} s these have not followed: ${waits}. Run it again; for machines that are gone "gantry node rm --force", or --force to go on without them`,
      );
    await sleep(clock, LOOK_EVERY_MS);
  }
}

function take(step: RotationStep, { force }: RotateFlags, deps: Deps): Promise<RotationStatus> {
  return ask(deps, 'POST', `?step=${step}${force ? '&force=true' : ''}`);
}

async function ask({ transport }: Deps, method: string, query = ''): Promise<RotationStatus> {
  const request = { method, path: ROTATE_AUTHORITY_PATH + query, headers: {} };
  const { status, body } = await transport.request(request);
  const answer = JSON.parse(Buffer.from(await collect(body)).toString());
  if (status !== 200) throw StatusError.from(answer, status);
  return answer as RotationStatus;
}

function textOf({ phase, authorities }: RotationStatus): string {
  const [first] = authorities;
  if (phase === 'stable')
    return `only the authority with the key ${first!.keyHash} is trusted, until ${first!.until}\n`;
  return `${[
    `servers are certified by a new authority, with the key ${first!.keyHash}, until ${first!.until}`,
    'The old one is trusted beside it. Give out kubeconfigs and join lines anew (those of before are of no use), start',
    'pods anew that read their authority once, and then: gantry certs rotate --drop-old',
  ].join('\n')}\n`;
}
