import { AUTHORITY_NAMES, type AuthorityName } from '#api/semantics/authorities.ts';
import { ROTATE_AUTHORITY_PATH } from '#api/well-known.ts';
import { type Clock, sleep, systemClock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { collect, type Transport } from '#machinery/transport.ts';
import { type AdminFlags, withAdmin } from '../../connection/connect.ts';
import { progressLine } from '../../progress.ts';
import { laggingText, type RotationAnswer, type RotationStatus, type RotationStep } from './plan.ts';

export interface RotateFlags extends AdminFlags {
  dropOld?: boolean;
  cancel?: boolean;
  force?: boolean;
  /** Milliseconds; 0 = as long as it takes. */
  timeout: number;
  output?: string;
}

const LOOK_EVERY_MS = 500;

/**
 * `gantry certs rotate`: new authorities beside the old ones; or with `--drop-old` the end of those, with
 * `--cancel` of new ones that sign nothing yet. All when none is named.
 */
export async function rotateAuthorities(names: readonly string[], flags: RotateFlags): Promise<number> {
  const chosen = names.length > 0 ? names.map(nameOf) : AUTHORITY_NAMES;
  const answer = await withAdmin(flags, async (_, transport) => {
    const line = progressLine();
    try {
      const deps = { transport, clock: systemClock, show: line.show };
      if (flags.cancel) return await cancel(chosen, flags, deps);
      return await (flags.dropOld
        ? dropOld(chosen, flags, deps, names.length > 0)
        : rotate(chosen, flags, deps));
    } finally {
      line.end();
    }
  });
  process.stdout.write(flags.output === 'json' ? `${JSON.stringify(answer)}\n` : textOf(answer));
  return 0;
}

function nameOf(text: string): AuthorityName {
  const found = AUTHORITY_NAMES.find((name) => name === text);
  if (!found) throw new Error(`there is no authority ${text}: they are ${AUTHORITY_NAMES.join(', ')}`);
  return found;
}

export interface RotateDeps {
  transport: Transport;
  clock: Clock;
  show(text: string): void;
}

/** Of the authorities that were chosen; and the tokens that have ended with an old one. */
export interface Rotated extends Pick<RotationAnswer, 'authorities'> {
  endedTokens?: string[];
  /** Those that could not be dropped yet. */
  kept?: RotationStatus[];
}

type Names = readonly AuthorityName[];

/** Goes on where an earlier run was interrupted; each step waits until everybody has followed the one before. */
export async function rotate(names: Names, flags: RotateFlags, deps: RotateDeps): Promise<Rotated> {
  const open = (await statuses(names, deps)).filter(
    ({ phase, waitsFor }) => phase !== 'issue' || laggingText(waitsFor) !== undefined,
  );
  if (open.length === 0)
    throw new Error(
      'the last authority is still trusted beside the one that took its place: --drop-old first',
    );
  const waiting = open.map(({ name }) => name);
  for (const { name, phase } of open) if (phase === 'stable') await take(name, 'trust', flags, deps);
  for (const { name, phase } of await followed(waiting, flags, deps))
    if (phase === 'trust') await take(name, 'issue', flags, deps);
  return { authorities: await followed(waiting, flags, deps) };
}

/** Of those that are known and sign nothing: for one whose key was lost with the server that made it, say. */
export async function cancel(names: Names, flags: RotateFlags, deps: RotateDeps): Promise<Rotated> {
  const open = (await statuses(names, deps)).filter(({ phase }) => phase === 'trust');
  if (open.length === 0)
    throw new Error('there is no new authority that signs nothing yet: one that does is not taken back');
  const cancelled = open.map(({ name }) => name);
  for (const name of cancelled) await take(name, 'cancel', flags, deps);
  return { authorities: await followed(cancelled, flags, deps) };
}

/** `named`: they were asked for by name, so that none may be kept back. */
export async function dropOld(
  names: Names,
  flags: RotateFlags,
  deps: RotateDeps,
  named = false,
): Promise<Rotated> {
  const old = (await statuses(names, deps)).filter(({ phase }) => phase !== 'stable');
  const isEarly = ({ droppableAt = '' }: RotationStatus) =>
    !flags.force && Date.parse(droppableAt) > deps.clock.now();
  const early = old.filter(isEarly);
  const now = old.filter((one) => !isEarly(one));
  if (early.length > 0 && (named || now.length === 0)) throw new Error(early.map(earlyText).join('; '));
  if (now.length === 0) throw new Error('there is no old authority: "gantry certs rotate" makes a new one');
  // All or none: what would be refused is known before anything has ended.
  for (const { name, phase, waitsFor } of now) {
    if (phase !== 'issue')
      throw new Error(`the new ${name} does not issue yet: run "gantry certs rotate ${name}" again`);
    const waits = laggingText(waitsFor);
    if (waits !== undefined && !flags.force)
      throw new Error(`these have not followed the last step of ${name} yet: ${waits}`);
  }
  const endedTokens = now.flatMap(({ tokens }) => tokens);
  const dropped = now.map(({ name }) => name);
  for (const name of dropped) await take(name, 'drop', flags, deps);
  return { authorities: await followed(dropped, flags, deps), endedTokens, kept: early };
}

function earlyText({ name, droppableAt }: RotationStatus): string {
  return `what the old ${name} signed for pods ends at ${droppableAt}: it can be dropped then, or with --force`;
}

/** Waits until everybody has followed the last step; with `force` for nobody. */
async function followed(
  names: Names,
  { timeout, force }: RotateFlags,
  deps: RotateDeps,
): Promise<RotationStatus[]> {
  const { clock, show } = deps;
  const endMs = timeout > 0 ? clock.monotonic() + timeout : Number.POSITIVE_INFINITY;
  for (;;) {
    const found = await statuses(names, deps);
    const waits = found.flatMap(({ name, waitsFor }) => {
      const text = laggingText(waitsFor);
      return text === undefined ? [] : [`${name}: ${text}`];
    });
    if (waits.length === 0 || force) return found;
    show(`waiting for ${waits.join('; ')}`);
    if (clock.monotonic() > endMs)
      throw new Error(
        `after ${timeout / 1000} s these have not followed: ${waits.join('; ')}. Run it again; for machines that are gone "gantry node rm --force", or --force to go on without them`,
      );
    await sleep(clock, LOOK_EVERY_MS);
  }
}

async function statuses(names: Names, deps: RotateDeps): Promise<RotationStatus[]> {
  const { authorities } = await ask(deps, 'GET');
  return authorities.filter(({ name }) => names.includes(name));
}

function take(name: AuthorityName, step: RotationStep, { force }: RotateFlags, deps: RotateDeps) {
  return ask(deps, 'POST', `?authority=${name}&step=${step}${force ? '&force=true' : ''}`);
}

/** How the authorities of the cluster are. */
export async function ask(
  { transport }: Pick<RotateDeps, 'transport'>,
  method: 'GET' | 'POST',
  query = '',
): Promise<RotationAnswer> {
  const request = { method, path: ROTATE_AUTHORITY_PATH + query, headers: {} };
  const { status, body } = await transport.request(request);
  const answer = JSON.parse(Buffer.from(await collect(body)).toString());
  if (status !== 200) throw StatusError.from(answer, status);
  return answer as RotationAnswer;
}

export function textOf({ authorities, endedTokens = [], kept = [] }: Rotated): string {
  const lines = authorities.map(({ name, phase, authorities: [first] }) =>
    phase === 'stable'
      ? `${name}: only the authority with the key ${first!.keyHash} is trusted, until ${first!.until}`
      : `${name}: a new authority signs, with the key ${first!.keyHash}, until ${first!.until}; the old one is trusted beside it`,
  );
  if (authorities.some(({ phase }) => phase === 'issue')) lines.push(...adviceOf(authorities));
  lines.push(...kept.map(earlyText));
  if (endedTokens.length > 0) lines.push(`${tokensText(endedTokens)} ended with the old one`);
  return `${lines.join('\n')}\n`;
}

function adviceOf(authorities: readonly RotationStatus[]): string[] {
  const tokens = authorities.flatMap((one) => one.tokens);
  const ending = tokens.length > 0 ? `; ${tokensText(tokens)} would end with it` : '';
  return [
    `What knows the old one goes on until it is dropped${ending}. Until then give out anew what people hold`,
    '("gantry kubeconfig", "gantry token create", certificates by request), and start pods anew that read their',
    'authority once. Then: gantry certs rotate --drop-old',
  ];
}

function tokensText(tokens: readonly string[]): string {
  return `${tokens.length} ${tokens.length === 1 ? 'token' : 'tokens'} for joining (${tokens.join(', ')})`;
}
