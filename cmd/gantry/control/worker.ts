import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { http2Transport } from '#client/http2-transport.ts';
import { restClient } from '#client/rest.ts';
import type { Sign } from '#controllers/certificates/sign.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { roster } from '#controllers/index.ts';
import { systemClock } from '#machinery/clock.ts';
import { textLogger } from '#machinery/log.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { systemRandom, uuid } from '#machinery/random.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';
import { version } from '../assets.ts';
import { inTurn } from './in-turn.ts';
import type { ControlHealth, ControlMessage, ControlOptions } from './start.ts';

/** The worker's own wiring: a connection for each of the two, and both components. Ends when told to stop. */
const options = workerData as ControlOptions;
const clock = systemClock;
const random = systemRandom;
const log = textLogger((line) => process.stderr.write(line), options.logLevel, clock, { part: 'control' });

const transportOf = ({ certificate, key }: KeyAndCertificate) =>
  http2Transport({
    url: options.url,
    clock,
    ca: options.ca,
    certificate: () => ({ cert: certificate, key }),
  });
const controllersTransport = transportOf(options.controllers);
const schedulerTransport = transportOf(options.scheduler);
const clientOf = (transport: ReturnType<typeof transportOf>, name: string) =>
  restClient({ transport, clock, userAgent: `gantry-${name}/${version}` });

/** Loaded when there is something to sign: it costs 25 MB. */
const sign: Sign = async (request, order) => {
  const { certifyRequest } = await import('#machinery/pki/issue.ts');
  const authority = order.usages.includes('server') ? options.nodeAuthority : options.clientAuthority;
  return await certifyRequest(authority, request, order, clock, random);
};
const crash = new AbortController();
const over = new AbortController();
const turns = {
  ...{ clock, random, log, crash: crash.signal, over: over.signal, leaseMs: options.leaderLeaseMs },
  identity: `${hostname()}_${uuid(random)}`,
};

const controllerRoster = roster({
  clusterCa: options.ca,
  clusterCidrs: [options.podCidr],
  nodeGraceMs: options.nodeGraceMs,
  sign,
});
const controllers = await inTurn(
  'kube-controller-manager',
  clientOf(controllersTransport, 'election'),
  turns,
  (signal) =>
    controllersComponent(controllerRoster).start(
      { clientFor: (name) => clientOf(controllersTransport, name), clock, random, log },
      signal,
    ),
);
const schedulerClient = clientOf(schedulerTransport, 'scheduler');
const scheduler = await inTurn('kube-scheduler', schedulerClient, turns, (signal) =>
  schedulerComponent.start({ client: schedulerClient, clock, random, log }, signal),
);

parentPort!.on('message', async (message: ControlMessage) => {
  if (message !== 'stop') {
    const health: ControlHealth = { controllers: controllers.health(), scheduler: scheduler.health() };
    parentPort!.postMessage({ question: message, health });
    return;
  }
  over.abort();
  await Promise.all([controllers.stop(), scheduler.stop()]);
  controllersTransport.close();
  schedulerTransport.close();
  process.exit(0);
});
await Promise.all([controllers.ready, scheduler.ready]);
log.info('Controllers and scheduler are at work');
