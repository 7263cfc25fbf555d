import { networkInterfaces } from 'node:os';
import type { ApiServer } from '#apiserver/server.ts';
import type { EventRecorder } from '#client/events.ts';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { Family, quoted } from '#machinery/metrics/exposition.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect, type Transport } from '#machinery/transport.ts';
import { NativeAddressKernel } from '#network/virtual-address/kernel.ts';
import { HelperClient } from '#runtime/native/helper-client.ts';
import { programs } from '../assets.ts';
import type { Settings } from '../options.ts';
import { SELF, serverClient } from '../server-events.ts';
import { linkOf } from './address.ts';
import { AddressKeeper } from './keeper.ts';

const READY_WITHIN_MS = 1_000;

export interface VirtualAddressParts {
  server: ApiServer;
  events: EventRecorder;
  log: Logger;
  signal: AbortSignal;
}

export interface VirtualAddresses {
  /** Once the signal has aborted and all were handed on. */
  done: Promise<void>;
  /** In the Prometheus exposition format. */
  metrics(): string;
}

/** Takes part in the turns of the servers at each of the virtual addresses, until the signal aborts. */
export function holdVirtualAddresses(
  settings: Settings,
  { server, events, log, signal }: VirtualAddressParts,
): VirtualAddresses {
  const { nodeName, paths, instance, listen } = settings;
  const clock = systemClock;
  const helper = new HelperClient({
    ...{ clock, runDirectory: paths.run, binDirectory: programs },
    // The agent's, which also replaces it.
    joinsOnly: true,
  });
  const transport = server.transport(SELF);
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  const shared = {
    ...{ client: serverClient(server), clock, random: systemRandom, log, identity: nodeName },
    kernel: new NativeAddressKernel({
      netlink: { exchange: (one) => helper.exchange({ ...one, repeatable: true }) },
      ...{ frames: helper, clock },
    }),
    isReady: () => isReady(transport, helper, log),
    serve: (host: string) => server.listen({ host, port: listen.port }),
    leave: (host: string) => server.leave(host),
    tell: (type: 'Normal' | 'Warning', why: Parameters<typeof events.record>[2]) =>
      events.record(node, type, why),
  };
  const keepers = settings.virtualAddress.map((one) => {
    const place = () => linkOf(one, networkInterfaces(), `g${instance}`);
    return { address: one.address, keeper: new AddressKeeper(one.address, { ...shared, linkOf: place }) };
  });
  return {
    done: Promise.all(keepers.map(({ keeper }) => keeper.run(signal))).then(() => helper.close()),
    metrics: () => metricsOf(keepers),
  };
}

/** As a load balancer would ask; and whether the address could be set. */
async function isReady(transport: Transport, helper: HelperClient, log: Logger): Promise<boolean> {
  try {
    await helper.hello();
    const signal = AbortSignal.timeout(READY_WITHIN_MS);
    const { status, body } = await transport.request({ method: 'GET', path: '/readyz', headers: {}, signal });
    await collect(body);
    return status === 200;
  } catch (error) {
    log.debug('The server does not say whether it is ready', { error: messageOf(error) });
    return false;
  }
}

function metricsOf(keepers: readonly { address: string; keeper: AddressKeeper }[]): string {
  const held = new Family(
    'gantry_virtual_address_held',
    'gauge',
    'Whether this server has the virtual address.',
  );
  const taken = new Family(
    'gantry_virtual_address_taken_total',
    'counter',
    'How often this server has taken the virtual address.',
  );
  for (const { address, keeper } of keepers) {
    held.value(`address=${quoted(address)}`, Number(keeper.isHeld));
    taken.value(`address=${quoted(address)}`, keeper.taken);
  }
  return held.text() + taken.text();
}
