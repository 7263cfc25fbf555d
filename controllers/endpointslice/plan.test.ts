import { describe, expect, it } from 'vitest';
import { ServiceKind } from '#api/kinds/service.ts';
import type { EndpointSlice, Pod, Service } from '#api/objects.ts';
import { controllerReference } from '#api/semantics/owners.ts';
import { pod } from '../framework/worlds.ts';
import { planEndpoints, planEndpointsWithoutService } from './endpoints-plan.ts';
import { planSlices } from './plan.ts';

function service(edit: Partial<Service['spec']> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-web', labels: { team: 'a' } },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...edit },
  };
}

function backend(name: string, ip: string, edit: (pod: Pod) => void = () => {}): Pod {
  const made = pod(name, { app: 'web' });
  made.spec!.nodeName = 'n1';
  made.status = { phase: 'Running', podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] };
  edit(made);
  return made;
}

const notReady = (one: Pod) => {
  one.status!.conditions = [{ type: 'Ready', status: 'False' }];
};
const going = (one: Pod) => {
  one.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
};

const plan = (pods: Pod[], slices: EndpointSlice[] = [], of = service()) =>
  planSlices(of, pods, slices, (node) => (node === 'n1' ? 'zone-a' : undefined)).actions;

/** The slices that a plan makes, as the server would give them back. */
const made = (pods: Pod[], of = service()): EndpointSlice[] =>
  plan(pods, [], of).map((action, i) => {
    if (action.do !== 'create') throw new Error(`unexpected ${action.do}`);
    const { metadata } = action.object;
    return { ...action.object, metadata: { ...metadata, name: `web-${i}`, uid: `slice-${i}` } };
  });

const many = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    backend(`p${String(i).padStart(3, '0')}`, `10.0.${i >> 8}.${i & 255}`),
  );

describe('the slices of a Service', () => {
  it('carry address, conditions, node, zone and pod of each endpoint, and belong to the Service', () => {
    const [slice] = made([backend('a', '10.0.0.1')]);
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'n1',
          zone: 'zone-a',
          targetRef: { kind: 'Pod', name: 'a', namespace: 'default', uid: 'uid-a' },
        },
      ],
      metadata: {
        generateName: 'web-',
        labels: { team: 'a', 'kubernetes.io/service-name': 'web' },
        ownerReferences: [controllerReference(ServiceKind, service())],
      },
    });
  });

  it('tell apart ready, not ready and terminating pods, and leave out those that have ended or have no address', () => {
    const ended = backend('ended', '10.0.0.4', (one) => {
      one.status!.phase = 'Succeeded';
    });
    const [slice] = made([
      backend('a', '10.0.0.1'),
      backend('b', '10.0.0.2', notReady),
      backend('c', '10.0.0.3', going),
      ended,
      pod('pending', { app: 'web' }),
    ]);
    expect(slice?.endpoints?.map(({ conditions }) => conditions)).toEqual([
      { ready: true, serving: true, terminating: false },
      { ready: false, serving: false, terminating: false },
      { ready: false, serving: true, terminating: true },
    ]);
  });

  it('call every pod ready when the Service asks for those not ready too', () => {
    const [slice] = made([backend('b', '10.0.0.2', notReady)], service({ publishNotReadyAddresses: true }));
    expect(slice?.endpoints?.[0]?.conditions).toMatchObject({ ready: true, serving: false });
  });

  it('hold at most 100 endpoints each', () => {
    expect(made(many(250)).map(({ endpoints }) => endpoints?.length)).toEqual([100, 100, 50]);
  });

  it('come to rest: planned again, nothing is to be done', () => {
    const pods = many(150);
    expect(plan(pods, made(pods))).toEqual([]);
  });

  it('rewrite only the slice of the pod that changed', () => {
    const pods = many(150);
    const slices = made(pods);
    notReady(pods[120]!);
    const actions = plan(pods, slices);
    expect(actions).toHaveLength(1);
    expect(actions[0]).toMatchObject({ do: 'update', object: { metadata: { name: 'web-1' } } });
  });

  it('fill what is free before a new one is made, and delete those left empty', () => {
    const pods = many(150);
    const slices = made(pods);
    expect(plan([...pods, backend('new', '10.9.9.9')], slices).map((action) => action.do)).toEqual([
      'update',
    ]);
    expect(plan(pods.slice(0, 100), slices).map((action) => action.do)).toEqual(['delete']);
  });

  it('are split by what a named port means to the pod', () => {
    const named = service({ ports: [{ name: 'http', port: 80, targetPort: 'web' as never }] });
    const port = (containerPort: number) => (one: Pod) => {
      one.spec!.containers = [{ name: 'main', ports: [{ name: 'web', containerPort }] }];
    };
    const slices = made([backend('a', '10.0.0.1', port(8080)), backend('b', '10.0.0.2', port(9090))], named);
    expect(slices.map(({ ports }) => ports?.[0]?.port)).toEqual([8080, 9090]);
  });

  it('are one per address family', () => {
    const dual = service({ ipFamilies: ['IPv4', 'IPv6'] });
    const both = backend('a', '10.0.0.1', (one) => {
      one.status!.podIPs = [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }];
    });
    expect(made([both], dual).map(({ addressType }) => addressType)).toEqual(['IPv4', 'IPv6']);
  });

  it('are one empty slice when there is no pod', () => {
    const [slice, ...rest] = made([]);
    expect(slice?.endpoints).toEqual([]);
    expect(rest).toEqual([]);
    expect(plan([], [slice!])).toEqual([]);
  });

  it('name the host of a pod with a name in the headless Service', () => {
    const headless = service({ clusterIP: 'None' });
    const [slice] = made(
      [
        backend('a', '10.0.0.1', (one) => {
          one.spec!.hostname = 'db-0';
          one.spec!.subdomain = 'web';
        }),
      ],
      headless,
    );
    expect(slice?.endpoints?.[0]?.hostname).toBe('db-0');
    expect(slice?.metadata.labels).toHaveProperty(['service.kubernetes.io/headless']);
  });
});

describe('the legacy Endpoints of a Service', () => {
  it('keep ready and unready addresses apart and leave out those that are going', () => {
    const pods = [
      backend('a', '10.0.0.1'),
      backend('b', '10.0.0.2', notReady),
      backend('c', '10.0.0.3', going),
    ];
    const [action] = planEndpoints(service(), pods, undefined).actions;
    expect(action).toMatchObject({
      do: 'create',
      object: {
        metadata: { name: 'web', namespace: 'default' },
        subsets: [
          {
            addresses: [{ ip: '10.0.0.1' }],
            notReadyAddresses: [{ ip: '10.0.0.2' }],
            ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
          },
        ],
      },
    });
  });

  it('go with their Service, but not when somebody made them by hand', () => {
    const byHand = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'web', namespace: 'default' } };
    expect(planEndpointsWithoutService(byHand).actions).toEqual([]);
    const labels = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' };
    const ours = { ...byHand, metadata: { ...byHand.metadata, labels } };
    expect(planEndpointsWithoutService(ours).actions).toMatchObject([{ do: 'delete', key: 'default/web' }]);
  });
});
