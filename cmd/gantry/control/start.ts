import { Worker } from 'node:worker_threads';
import { systemClock } from '#machinery/clock.ts';
import type { Health } from '#machinery/component.ts';
import type { Logger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { controlWorker } from '../assets.ts';
import { type Pki, serverUrl } from '../certificates/pki.ts';
import type { Settings } from '../options.ts';

/** What the worker is started with. */
export interface ControlOptions extends ControlCredentials {
  url: string;
  podCidr: string;
  nodeGraceMs: number;
  /** How long a leader that is not heard of stays the leader; undefined: this server is the only one. */
  leaderLeaseMs?: number;
  logLevel: Settings['logLevel'];
}

/** What it shows, whom it trusts, and what it signs with. */
export interface ControlCredentials {
  ca: string;
  controllers: KeyAndCertificate;
  scheduler: KeyAndCertificate;
  /** They sign what is approved: for clients of servers, and what nodes serve. */
  clientAuthority: KeyAndCertificate;
  nodeAuthority: KeyAndCertificate;
}

/** What the worker answers when asked how its two parts are. */
export interface ControlHealth {
  controllers: Health;
  scheduler: Health;
}

/** What the worker can be asked. */
export interface ControlAnswers {
  health: ControlHealth;
  /** In the Prometheus exposition format. */
  metrics: string;
  /** Whether the controllers run here, and not at another server. */
  leads: boolean;
}

/** To the worker: to stop, new credentials, or a question with its number. */
export type ControlMessage =
  | 'stop'
  | { credentials: ControlCredentials }
  | { question: number; what: keyof ControlAnswers };

/** From it. */
export interface ControlAnswer {
  question: number;
  answer: ControlAnswers[keyof ControlAnswers];
}

/** A worker that stalls for longer is not well. */
const ANSWER_WITHIN_MS = 5_000;

export interface Control {
  /** Rejects when the worker ends by itself. */
  failed: Promise<never>;
  /** Rejects when the worker does not answer in time. */
  ask<K extends keyof ControlAnswers>(what: K): Promise<ControlAnswers[K]>;
  /** Goes on with these; what is under way is not held up. */
  renew(pki: Pki): void;
  stop(): Promise<void>;
}

/**
 * Controllers and scheduler on a thread of their own, so that their stalls are not the API's. They speak to the API as
 * any client does.
 */
export async function startControl(settings: Settings, pki: Pki, log: Logger): Promise<Control> {
  const options: ControlOptions = {
    ...credentialsOf(pki),
    url: serverUrl(settings),
    podCidr: settings.podCidr,
    nodeGraceMs: settings.nodeGracePeriod,
    ...(settings.store.kind !== 'sqlite' && { leaderLeaseMs: settings.leaderLease }),
    logLevel: settings.logLevel,
  };
  const worker = new Worker(controlWorker, {
    workerData: options,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  let stopping = false;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const failed = new Promise<never>((_, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (!stopping) reject(new Error(`the controllers ended with code ${code}`));
    });
  });
  // It is awaited once the server is up; a failure before that is kept until then.
  failed.catch((error: Error) => log.error('The controllers failed', { error: error.message }));
  const send = (message: ControlMessage) => worker.postMessage(message);
  return {
    failed,
    ask: questionsTo(worker, send),
    renew: (next) => send({ credentials: credentialsOf(next) }),
    async stop() {
      stopping = true;
      send('stop');
      await exited;
    },
  };
}

function credentialsOf(pki: Pki): ControlCredentials {
  const { trusted, controllers, scheduler, clientAuthority, nodeAuthority } = pki;
  return { ca: trusted['server-ca'], controllers, scheduler, clientAuthority, nodeAuthority };
}

function questionsTo(worker: Worker, send: (message: ControlMessage) => void): Control['ask'] {
  const waiting = new Map<number, (answer: unknown) => void>();
  let questions = 0;
  worker.on('message', ({ question, answer }: ControlAnswer) => {
    waiting.get(question)?.(answer);
    waiting.delete(question);
  });
  return <K extends keyof ControlAnswers>(what: K) => {
    const question = ++questions;
    return new Promise<ControlAnswers[K]>((resolve, reject) => {
      const timer = systemClock.timer(ANSWER_WITHIN_MS, () => {
        waiting.delete(question);
        reject(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`));
      });
      waiting.set(question, (answer) => {
        timer.cancel();
        resolve(answer as ControlAnswers[K]);
      });
      send({ question, what });
    });
  };
}
