import { systemClock } from '#machinery/clock.ts';
import { systemRandom } from '#machinery/random.ts';
import { ruleOf } from '#network/conformance.ts';
import type { ServicePortRule } from '#network/contract.ts';
import { startDns } from '#network/dns/server.ts';
import { Zone } from '#network/dns/zone.ts';
import { makeTestNode, whyNoKernel } from '#network/netlink/testing/namespaces.ts';
import { requireCidr } from '#network/plan.ts';
import { ServiceTable } from '#network/services/tables.ts';
import { percentile, type Section } from './table.ts';

const ENDPOINTS = 10;
const UPDATES = 200;
const DNS_SECONDS = 2;
const DNS_CLIENTS = 4;
const DNS_WINDOW = 32;

/** Loading and updating Services in the kernel at two sizes, and the rate of the cluster DNS for names it has answered. */
export const network: Section = async (report) => {
  report({
    what: 'DNS: answers to names asked before',
    value: await dnsRate(),
    unit: '/s',
    mark: { at: 'least', value: 50_000 },
  });
  if (whyNoKernel()) return;
  for (const services of [1000, 10_000]) {
    const { loadMs, updateMs, emptyMs } = await serviceTimes(services);
    report({ what: `services: load ${services} with ${ENDPOINTS} endpoints`, value: loadMs, unit: 'ms' });
    report({
      what: `services: update one of ${services}, median`,
      value: updateMs,
      unit: 'ms',
      floor: { what: 'sync without change', value: emptyMs },
    });
  }
};

function rules(count: number): ServicePortRule[] {
  return Array.from({ length: count }, (_, at) => {
    const address = `10.${96 + (at >> 14)}.${(at >> 6) & 255}.${((at & 63) << 2) + 1}`;
    const endpoints = Array.from({ length: ENDPOINTS }, (_, index) => ({
      address: `10.244.${(at >> 5) & 255}.${((at & 31) << 3) + index}`,
      port: 8080,
      local: false,
    }));
    return ruleOf(`bench/service-${at}`, address, endpoints);
  });
}

async function serviceTimes(count: number): Promise<{ loadMs: number; updateMs: number; emptyMs: number }> {
  const node = await makeTestNode();
  try {
    const table = new ServiceTable(node.netlink, {
      instance: 'bench1',
      family: 'ip',
      bridge: 'gbench1',
      vxlanPort: 8472,
      podCidrs: [requireCidr('10.244.0.0/24')],
      clusterCidrs: [requireCidr('10.244.0.0/16')],
      serviceCidrs: [requireCidr('10.96.0.0/12')],
    });
    await table.start();
    const all = rules(count);
    const begin = performance.now();
    await table.sync(all);
    const loadMs = performance.now() - begin;
    const updates: number[] = [];
    const empties: number[] = [];
    for (let i = 0; i < UPDATES; i++) {
      const at = (i * 7919) % count;
      const endpoints = all[at]!.endpoints.map((each) => ({ ...each, port: each.port + 1 }));
      all[at] = { ...all[at]!, endpoints };
      updates.push(await timed(() => table.sync(all)));
      empties.push(await timed(() => table.sync(all)));
    }
    return { loadMs, updateMs: percentile(updates, 0.5), emptyMs: percentile(empties, 0.5) };
  } finally {
    await node.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** The server in this process, the clients in another: what is measured is one thread answering. */
async function dnsRate(): Promise<number> {
  const zone = new Zone('cluster.local');
  for (let i = 0; i < 1000; i++) {
    const name = `service-${i}.default.svc.cluster.local`;
    zone.set(name, [{ name, type: 'A', data: '10.96.0.7' }]);
  }
  const server = await startDns({
    zone,
    reverse: [],
    upstreams: [],
    stubDomains: [],
    clock: systemClock,
    random: systemRandom,
    listen: [{ address: '127.0.0.1', port: 0 }],
  });
  const { Worker } = await import('node:worker_threads');
  const load = new Worker(new URL('./dns-load.ts', import.meta.url), {
    workerData: {
      port: server.addresses[0]!.port,
      clients: DNS_CLIENTS,
      window: DNS_WINDOW,
      seconds: DNS_SECONDS,
    },
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      load.once('message', resolve);
      load.once('error', reject);
    });
  } finally {
    await load.terminate();
    await server.stop();
  }
}
