import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { http2Transport } from '#client/http2-transport.ts';
import { restClient } from '#client/rest.ts';
import type { Sign } from '#controllers/certificates/sign.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { roster } from '#controllers/index.ts';
import { systemClock } from '#machinery/clock.ts';
import { textLogger } from '#machinery/log.ts';
import { Family, quoted } from '#machinery/metrics/exposition.ts';
import { systemRandom, uuid } from '#machinery/random.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';
import { version } from '../assets.ts';
import { inTurn } from './in-turn.ts';
import type {
  ControlAnswer,
  ControlAnswers,
  ControlCredentials,
  ControlMessage,
  ControlOptions,
} from './start.ts';

/** The worker's own wiring: a connection for each of the two, and both components. Ends when told to stop. */
const options = workerData as ControlOptions;
const clock = systemClock;
const random = systemRandom;
const log = textLogger((line) => process.stderr.write(line), options.logLevel, clock, { part: 'control' });

let credentials: ControlCredentials = options;
const transportOf = (who: 'controllers' | 'scheduler') =>
  http2Transport({
    url: options.url,
    clock,
    ca: () => credentials.ca,
    certificate: () => ({ cert: credentials[who].certificate, key: credentials[who].key }),
  });
const controllersTransport = transportOf('controllers');
const schedulerTransport = transportOf('scheduler');
const clientOf = (transport: ReturnType<typeof transportOf>, name: string) =>
  restClient({ transport, clock, userAgent: `gantry-${name}/${version}` });

/** Loaded when there is something to sign: it costs 25 MB. */
const sign: Sign = async (request, order) => {
  const { certifyRequest } = await import('#machinery/pki/issue.ts');
  const authority = order.usages.includes('server') ? credentials.nodeAuthority : credentials.clientAuthority;
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
  serverVersion: version,
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

const parts = { 'kube-controller-manager': controllers, 'kube-scheduler': scheduler };
const answers: { [K in keyof ControlAnswers]: () => ControlAnswers[K] } = {
  health: () => ({ controllers: controllers.health(), scheduler: scheduler.health() }),
  leads: () => controllers.leads(),
  metrics() {
    const leads = new Family(
      'leader_election_master_status',
      'gauge',
      'Whether this server holds the lease.',
    );
    for (const [name, part] of Object.entries(parts))
      leads.value(`name=${quoted(name)}`, Number(part.leads()));
    return [leads.text(), ...Object.values(parts).map((part) => part.metrics?.() ?? '')].join('');
  },
};

parentPort!.on('message', async (message: ControlMessage) => {
  if (message !== 'stop' && 'credentials' in message) {
    credentials = message.credentials;
    return;
  }
  if (message !== 'stop') {
    const { question, what } = message;
    parentPort!.postMessage({ question, answer: answers[what]() } satisfies ControlAnswer);
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
