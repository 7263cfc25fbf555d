import { Worker } from 'node:worker_threads';
import type { Logger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { controlWorker } from '../assets.ts';
import type { Settings } from '../options.ts';
import { type Pki, serverUrl } from '../pki.ts';

/** What the worker is started with. */
export interface ControlOptions {
  url: string;
  ca: string;
  controllers: KeyAndCertificate;
  scheduler: KeyAndCertificate;
  podCidr: string;
  logLevel: Settings['logLevel'];
}

/**
 * Controllers and scheduler on a thread of their own, so that their stalls are not the API's. They speak to the API as
 * any client does.
 */
export async function startControl(
  settings: Settings,
  pki: Pki,
  log: Logger,
): Promise<{ failed: Promise<never>; stop(): Promise<void> }> {
  const options: ControlOptions = {
    url: serverUrl(settings),
    ca: pki.serverCa,
    controllers: pki.controllers,
    scheduler: pki.scheduler,
    podCidr: settings.podCidr,
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
  return {
    failed,
    async stop() {
      stopping = true;
      worker.postMessage('stop');
      await exited;
    },
  };
}
