/** One autoscaler under two versions: what is written in one is read in the other. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsTo, startTestServer, watchOf } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const at = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const pods = {
  type: 'Pods',
  pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '5' } },
};
const cpu = (averageUtilization: number) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

let server: ApiServer;
let call: ReturnType<typeof callsTo>;
beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
});
afterEach(() => server.stop());

const make = (version: string, spec: object) =>
  call('POST', at(version), { metadata: { name: 'a' }, spec: { scaleTargetRef, maxReplicas: 3, ...spec } });

describe('an autoscaler', () => {
  it('made in autoscaling/v1 is whole in v2', async () => {
    const made = await make('v1', { targetCPUUtilizationPercentage: 50 });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      apiVersion: 'autoscaling/v1',
      spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 50 },
      status: { currentReplicas: 0, desiredReplicas: 0 },
    });
    const { body } = await call('GET', `${at('v2')}/a`);
    expect(body.apiVersion).toBe('autoscaling/v2');
    expect(body.metadata.resourceVersion).toBe(made.body.metadata.resourceVersion);
    expect(body.metadata.generation).toBeUndefined();
    expect(body.spec).toEqual({ scaleTargetRef, minReplicas: 1, maxReplicas: 3, metrics: [cpu(50)] });
  });

  it('loses nothing when a client of autoscaling/v1 reads and writes it', async () => {
    const spec = { metrics: [pods, cpu(60)], behavior: { scaleDown: { selectPolicy: 'Disabled' } } };
    const made = await make('v2', spec);
    const read = await call('GET', `${at('v1')}/a`);
    expect(Object.keys(read.body.metadata.annotations)).toEqual([METRICS, BEHAVIOR]);
    expect(read.body.spec.targetCPUUtilizationPercentage).toBe(60);
    const put = await call('PUT', `${at('v1')}/a`, read.body);
    expect(put.body.metadata.resourceVersion).toBe(made.body.metadata.resourceVersion);
    const patch = await call('PATCH', `${at('v1')}/a`, { spec: { maxReplicas: 9 } }, MERGE);
    expect(patch.body).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { maxReplicas: 9 } });
    expect((await call('GET', `${at('v2')}/a`)).body.spec).toEqual({ ...made.body.spec, maxReplicas: 9 });
  });

  it('has one status in both', async () => {
    await make('v1', {});
    const status = { currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 40 };
    await call('PATCH', `${at('v1')}/a/status`, { status }, MERGE);
    const { body } = await call('GET', `${at('v2')}/a`);
    const current = { name: 'cpu', current: { averageUtilization: 40 } };
    expect(body.status).toEqual({
      currentReplicas: 2,
      desiredReplicas: 3,
      currentMetrics: [{ type: 'Resource', resource: current }],
    });
    const refused = await call('PATCH', `${at('v2')}/a/status`, { status: { desiredReplicas: -1 } }, MERGE);
    expect(refused.status).toBe(422);
  });

  it('is refused by the rules of autoscaling/v2, in both', async () => {
    for (const version of ['v1', 'v2'])
      expect((await make(version, { maxReplicas: 0 })).body.message).toBe(
        'HorizontalPodAutoscaler.autoscaling "a" is invalid: [spec.maxReplicas: Invalid value: 0: must be greater than 0, spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`]',
      );
  });

  it('can be applied in both', async () => {
    const config = (version: string, spec: object) => ({
      apiVersion: `autoscaling/${version}`,
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'a' },
      spec: { scaleTargetRef, maxReplicas: 3, ...spec },
    });
    const apply = (version: string, spec: object) =>
      call('PATCH', `${at(version)}/a?fieldManager=me&force=true`, config(version, spec), APPLY);
    expect((await apply('v1', { targetCPUUtilizationPercentage: 50 })).status).toBe(201);
    expect((await apply('v1', { targetCPUUtilizationPercentage: 60 })).body.spec).toMatchObject({
      targetCPUUtilizationPercentage: 60,
    });
    const applied = await apply('v2', { metrics: [pods] });
    expect(applied.status).toBe(200);
    expect(applied.body.spec.metrics).toEqual([pods]);
    expect((await call('GET', `${at('v1')}/a`)).body.spec.targetCPUUtilizationPercentage).toBeUndefined();
  });

  it('is listed, watched, printed and deleted in the version that is asked for', async () => {
    const watch = await watchOf(server, `${at('v1')}?watch=true`);
    await make('v2', { metrics: [cpu(70)] });
    expect((await watch.next()).object).toMatchObject({
      apiVersion: 'autoscaling/v1',
      spec: { targetCPUUtilizationPercentage: 70 },
    });
    watch.stop();
    const { body: list } = await call('GET', at('v1'));
    expect(list).toMatchObject({ apiVersion: 'autoscaling/v1', items: [{ spec: { maxReplicas: 3 } }] });
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    for (const version of ['v1', 'v2']) {
      const { body: table } = await call('GET', at(version), undefined, { accept });
      expect(table.rows[0].cells.slice(0, 6)).toEqual([
        'a',
        'Deployment/web',
        'cpu: <unknown>/70%',
        '1',
        3,
        0,
      ]);
    }
    const { body: deleted } = await call('DELETE', at('v1'));
    expect(deleted.items[0].spec.targetCPUUtilizationPercentage).toBe(70);
  });

  it('is preferred in autoscaling/v2 by clients that discover it', async () => {
    const { body } = await call('GET', '/apis/autoscaling');
    expect(body.versions.map(({ version }: { version: string }) => version)).toEqual(['v2', 'v1']);
    expect(body.preferredVersion.version).toBe('v2');
  });
});
