/** What clients meet: the API server over HTTPS on loopback, with all controllers and the scheduler behind it; no node. */
import { type Served, serve } from '#apiserver/testing/served.ts';
import { restClient } from '#client/rest.ts';
import type { Sign } from '#controllers/certificates/sign.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { roster } from '#controllers/index.ts';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { certifyRequest } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';

const clock = systemClock;
const random = systemRandom;
const log = silentLogger;

export async function openControlPlane(overrides: Parameters<typeof serve>[0] = {}): Promise<Served> {
  const served = await serve(overrides);
  const crash = new AbortController();
  const clientOf = (name: string) =>
    restClient({
      transport: served.server.transport({ name, groups: ['system:authenticated'] }),
      clock,
      userAgent: name.replace('system:', ''),
    });
  const sign: Sign = (request, order) =>
    certifyRequest(served.clientAuthority, request, order, clock, random);
  const controllers = await controllersComponent(
    roster({ clusterCa: served.authority.certificate, clusterCidrs: ['10.244.0.0/16'], sign }),
  ).start({ clientFor: () => clientOf('system:kube-controller-manager'), clock, random, log }, crash.signal);
  const scheduler = await schedulerComponent.start(
    { client: clientOf('system:kube-scheduler'), clock, random, log },
    crash.signal,
  );
  await Promise.all([controllers.ready, scheduler.ready]);
  return {
    ...served,
    async stop() {
      await scheduler.stop();
      await controllers.stop();
      await served.stop();
    },
  };
}
