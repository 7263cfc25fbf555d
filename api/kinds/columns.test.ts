import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import type { Parts } from '../testing/refusals.ts';
import { NOON, wideRow } from '../testing/rows.ts';
import { ClusterRoleKind } from './cluster-role.ts';
import { ConfigMapKind } from './config-map.ts';
import { ControllerRevisionKind } from './controller-revision.ts';
import { CronJobKind } from './cron-job.ts';
import { DaemonSetKind } from './daemon-set.ts';
import { DeploymentKind } from './deployment.ts';
import { EndpointSliceKind } from './endpoint-slice.ts';
import { EndpointsKind } from './endpoints.ts';
import { EventKind } from './event.ts';
import { EventsEventKind } from './events-event.ts';
import { JobKind } from './job.ts';
import { LeaseKind } from './lease.ts';
import { NamespaceKind } from './namespace.ts';
import { NodeKind } from './node.ts';
import { PriorityClassKind } from './priority-class.ts';
import { ReplicaSetKind } from './replica-set.ts';
import { RoleBindingKind } from './role-binding.ts';
import { SecretKind } from './secret.ts';
import { ServiceKind } from './service.ts';
import { ServiceAccountKind } from './service-account.ts';
import { StatefulSetKind } from './stateful-set.ts';

const ago = (seconds: number) => new Date(NOON - seconds * 1000).toISOString();

const template = {
  spec: {
    containers: [
      { name: 'a', image: 'one:1' },
      { name: 'b', image: 'two' },
    ],
  },
};
const selector = {
  matchLabels: { tier: 'web', app: 'x' },
  matchExpressions: [{ key: 'old', operator: 'DoesNotExist' }],
};

const event = {
  involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{a}' },
  type: 'Normal',
  reason: 'Pulled',
  message: 'Pulled it \n',
  source: { component: 'agent', host: 'n1' },
  firstTimestamp: ago(3600),
  lastTimestamp: ago(60),
  count: 4,
};
const EVENT_HEADER = 'Last Seen|Type|Reason|Object|(Subobject)|(Source)|Message|(First Seen)|(Count)|(Name)';

const ip = (address: string) => ({ ip: address });

/** [kind, object, header or undefined when shown before, row]. */
const TABLE: [Kind, Parts, string, string][] = [
  [
    DeploymentKind as Kind,
    {
      spec: { replicas: 3, selector, template },
      status: { readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
    },
    'Name|Ready|Up-to-date|Available|Age|(Containers)|(Images)|(Selector)',
    'x|2/3|1|2|24h|a,b|one:1,two|app=x,!old,tier=web',
  ],
  [
    ReplicaSetKind as Kind,
    { spec: { replicas: 3, selector, template }, status: { replicas: 3, readyReplicas: 2 } },
    'Name|Desired|Current|Ready|Age|(Containers)|(Images)|(Selector)',
    'x|3|3|2|24h|a,b|one:1,two|app=x,!old,tier=web',
  ],
  [
    StatefulSetKind as Kind,
    { spec: { replicas: 3, selector, template }, status: { replicas: 3, readyReplicas: 2 } },
    'Name|Ready|Age|(Containers)|(Images)',
    'x|2/3|24h|a,b|one:1,two',
  ],
  [
    DaemonSetKind as Kind,
    {
      spec: { selector, template: { spec: { ...template.spec, nodeSelector: { disk: 'ssd' } } } },
      status: {
        desiredNumberScheduled: 5,
        currentNumberScheduled: 4,
        numberReady: 3,
        updatedNumberScheduled: 2,
        numberAvailable: 1,
      },
    },
    'Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age|(Containers)|(Images)|(Selector)',
    'x|5|4|3|2|1|disk=ssd|24h|a,b|one:1,two|app=x,!old,tier=web',
  ],
  [
    ControllerRevisionKind as Kind,
    {
      metadata: {
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u', controller: true },
        ],
      },
      revision: 2,
    },
    'Name|Controller|Revision|Age',
    'x|statefulset.apps/web|2|24h',
  ],
  [
    JobKind as Kind,
    {
      spec: { completions: 3, parallelism: 1, selector, template },
      status: { succeeded: 1, startTime: ago(90) },
    },
    'Name|Status|Completions|Duration|Age|(Containers)|(Images)|(Selector)',
    'x|Running|1/3|90s|24h|a,b|one:1,two|app=x,!old,tier=web',
  ],
  [
    JobKind as Kind,
    {
      spec: { parallelism: 4, template },
      status: {
        succeeded: 1,
        startTime: ago(90),
        completionTime: ago(30),
        conditions: [{ type: 'Complete', status: 'True' }],
      },
    },
    'Name|Status|Completions|Duration|Age|(Containers)|(Images)|(Selector)',
    'x|Complete|1/1 of 4|60s|24h|a,b|one:1,two|<none>',
  ],
  [
    JobKind as Kind,
    { spec: { template }, status: { conditions: [{ type: 'Suspended', status: 'True' }] } },
    'Name|Status|Completions|Duration|Age|(Containers)|(Images)|(Selector)',
    'x|Suspended|0/1||24h|a,b|one:1,two|<none>',
  ],
  [
    CronJobKind as Kind,
    {
      spec: { schedule: '@daily', timeZone: 'UTC', suspend: true, jobTemplate: { spec: { template } } },
      status: { active: [{}], lastScheduleTime: ago(3600 * 5) },
    },
    'Name|Schedule|Timezone|Suspend|Active|Last Schedule|Age|(Containers)|(Images)|(Selector)',
    'x|@daily|UTC|True|1|5h|24h|a,b|one:1,two|<none>',
  ],
  [
    ServiceKind as Kind,
    {
      spec: {
        type: 'ClusterIP',
        clusterIP: '10.0.0.1',
        ports: [{ port: 80, protocol: 'TCP' }],
        selector: { b: '2', a: '1' },
      },
    },
    'Name|Type|Cluster-IP|External-IP|Port(s)|Age|(Selector)',
    'x|ClusterIP|10.0.0.1|<none>|80/TCP|24h|a=1,b=2',
  ],
  [
    ServiceKind as Kind,
    {
      spec: {
        type: 'NodePort',
        clusterIP: '10.0.0.1',
        externalIPs: ['1.2.3.4'],
        ports: [
          { port: 53, nodePort: 30053, protocol: 'UDP' },
          { port: 80, nodePort: 30080, protocol: 'TCP' },
        ],
      },
    },
    'Name|Type|Cluster-IP|External-IP|Port(s)|Age|(Selector)',
    'x|NodePort|10.0.0.1|1.2.3.4|53:30053/UDP,80:30080/TCP|24h|<none>',
  ],
  [
    ServiceKind as Kind,
    { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1' }, status: { loadBalancer: {} } },
    'Name|Type|Cluster-IP|External-IP|Port(s)|Age|(Selector)',
    'x|LoadBalancer|10.0.0.1|<pending>|<none>|24h|<none>',
  ],
  [
    ServiceKind as Kind,
    {
      spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1', externalIPs: ['9.9.9.9'] },
      status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }, { hostname: 'lb' }] } },
    },
    'Name|Type|Cluster-IP|External-IP|Port(s)|Age|(Selector)',
    'x|LoadBalancer|10.0.0.1|1.2.3.4,lb,9.9.9.9|<none>|24h|<none>',
  ],
  [
    ServiceKind as Kind,
    { spec: { type: 'ExternalName', externalName: 'example.com' } },
    'Name|Type|Cluster-IP|External-IP|Port(s)|Age|(Selector)',
    'x|ExternalName|<none>|example.com|<none>|24h|<none>',
  ],
  [EndpointsKind as Kind, {}, 'Name|Endpoints|Age', 'x|<none>|24h'],
  [
    EndpointsKind as Kind,
    { subsets: [{ addresses: [ip('10.0.0.1'), ip('fd00::1')], ports: [{ port: 80 }, { port: 443 }] }] },
    'Name|Endpoints|Age',
    'x|10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...|24h',
  ],
  [
    EndpointSliceKind as Kind,
    {
      addressType: 'IPv4',
      ports: [{ port: 80 }, { name: 'any' }, {}],
      endpoints: [{ addresses: ['10.0.0.1'] }],
    },
    'Name|AddressType|Ports|Endpoints|Age',
    'x|IPv4|80,any,*|10.0.0.1|24h',
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4' },
    'Name|AddressType|Ports|Endpoints|Age',
    'x|IPv4|<unset>|<unset>|24h',
  ],
  [ConfigMapKind as Kind, { data: { a: '', b: '' }, binaryData: { c: '' } }, 'Name|Data|Age', 'x|3|24h'],
  [SecretKind as Kind, { type: 'Opaque', data: { a: '' } }, 'Name|Type|Data|Age', 'x|Opaque|1|24h'],
  [NamespaceKind as Kind, { status: { phase: 'Active' } }, 'Name|Status|Age', 'x|Active|24h'],
  [ServiceAccountKind as Kind, {}, 'Name|Secrets|Age', 'x|0|24h'],
  [LeaseKind as Kind, { spec: { holderIdentity: 'n1' } }, 'Name|Holder|Age', 'x|n1|24h'],
  [
    NodeKind as Kind,
    {
      metadata: {
        labels: {
          'node-role.kubernetes.io/worker': '',
          'kubernetes.io/role': 'edge',
          'node-role.kubernetes.io/': '',
        },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.9' }],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.18',
          containerRuntimeVersion: 'gantry://1',
        },
      },
    },
    'Name|Status|Roles|Age|Version|(Internal-IP)|(External-IP)|(OS-Image)|(Kernel-Version)|(Container-Runtime)',
    'x|Ready,SchedulingDisabled|edge,worker|24h|v1.36.0|10.0.0.9|<none>|Debian|6.18|gantry://1',
  ],
  [
    NodeKind as Kind,
    { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } },
    'Name|Status|Roles|Age|Version|(Internal-IP)|(External-IP)|(OS-Image)|(Kernel-Version)|(Container-Runtime)',
    'x|NotReady|<none>|24h||<none>|<none>|<unknown>|<unknown>|<unknown>',
  ],
  [
    EventKind as Kind,
    event,
    EVENT_HEADER,
    '60s|Normal|Pulled|pod/p|spec.containers{a}|agent, n1|Pulled it|60m|4|x',
  ],
  [
    EventKind as Kind,
    {
      involvedObject: { kind: 'Node' },
      eventTime: ago(5),
      reportingComponent: 'scheduler',
      type: 'Warning',
      reason: 'R',
      message: 'm',
    },
    EVENT_HEADER,
    '5s|Warning|R|node||scheduler|m|5s|1|x',
  ],
  [
    EventsEventKind as Kind,
    {
      regarding: event.involvedObject,
      note: 'm',
      type: 'Normal',
      reason: 'R',
      eventTime: ago(9),
      series: { count: 7, lastObservedTime: ago(2) },
      reportingController: 'c',
      reportingInstance: 'i',
    },
    EVENT_HEADER,
    '2s|Normal|R|pod/p|spec.containers{a}|c, i|m|9s|7|x',
  ],
  [ClusterRoleKind as Kind, {}, 'Name|Created At', 'x|2025-12-31T12:00:00Z'],
  [
    RoleBindingKind as Kind,
    {
      roleRef: { kind: 'Role', name: 'r' },
      subjects: [
        { kind: 'User', name: 'u1' },
        { kind: 'User', name: 'u2' },
        { kind: 'Group', name: 'g' },
        { kind: 'ServiceAccount', namespace: 'n', name: 's' },
      ],
    },
    'Name|Role|Age|(Users)|(Groups)|(ServiceAccounts)',
    'x|Role/r|24h|u1, u2|g|n/s',
  ],
  [
    PriorityClassKind as Kind,
    { value: 7, preemptionPolicy: 'Never' },
    'Name|Value|Global-Default|Age|PreemptionPolicy',
    'x|7|false|24h|Never',
  ],
];

describe('kubectl get -o wide', () => {
  it.each(TABLE.map(([kind, parts, header, row]) => ({ of: kind.kind, kind, parts, header, row })))(
    '$of: $row',
    ({ kind, parts, header, row }) => {
      expect(wideRow(kind, parts)).toEqual([header, row]);
    },
  );
});

describe('selectable fields', () => {
  it('of an event fall back to the reporting component as its source', () => {
    const source = EventKind.selectableFields!.source!;
    const base = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, involvedObject: {} };
    expect(source({ ...base, reportingComponent: 'c' })).toBe('c');
    expect(source({ ...base, source: { component: 'a' }, reportingComponent: 'c' })).toBe('a');
  });
});
