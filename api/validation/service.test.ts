import { describe, expect, it } from 'vitest';
import type { AllocationRequest } from '../kind.ts';
import { ServiceKind } from '../kinds/service.ts';
import type { Service } from '../objects.ts';
import { LABEL, LABEL_VALUE, QUALIFIED, SUBDOMAIN } from '../testing/name-texts.ts';
import { faultText } from './fault-text.ts';

const { strategy } = ServiceKind;

function service(spec: Record<string, unknown> = {}, name = 'web'): Service {
  const object: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...spec },
  };
  strategy.defaults!(object);
  return object;
}

/** What the server does with the claims: the address .1.7 and ports from 30001 on. */
function allocate(object: Service, old?: Service): { claims: string[]; releases: string[] } {
  let nextPort = 30_001;
  const requests = strategy.allocations!(object, old);
  const claims = requests.filter((request) => request.type === 'claim');
  for (const claim of claims)
    claim.assign(claim.wanted ?? (claim.pool === 'clusterIP' ? '10.96.1.7' : `${nextPort++}`));
  return { claims: claims.map(claimText), releases: releasesOf(requests) };
}

function claimText(claim: AllocationRequest): string {
  return claim.type === 'claim' ? `${claim.pool} ${claim.wanted ?? 'any'} for ${claim.field}` : '';
}

function releasesOf(requests: AllocationRequest[]): string[] {
  return requests.flatMap((request) =>
    request.type === 'release' ? [`${request.pool} ${request.value}`] : [],
  );
}

describe('a service that is wrong', () => {
  it.each<[Record<string, unknown>, string[]]>([
    [{}, []],
    [{ ports: [] }, ['spec.ports: Required value']],
    [{ ports: [], clusterIP: 'None' }, []],
    [
      { type: 'NodePort', clusterIP: 'None' },
      ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'],
    ],
    [
      { type: 'External' },
      [
        'spec.type: Unsupported value: "External": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [{ type: 'ExternalName' }, ['spec.externalName: Required value']],
    [
      { type: 'ExternalName', externalName: 'a_b', clusterIP: '10.0.0.1' },
      [
        'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
        "spec.externalName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')".replaceAll(
          '\\\\',
          '\\',
        ),
      ],
    ],
    [
      { ports: [{ port: 80 }, { port: 81 }] },
      ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
    ],
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
      ['spec.ports[1].name: Duplicate value: "a"'],
    ],
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
      ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
    ],
    [
      { ports: [{ port: 0, targetPort: 1 }] },
      ['spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive'],
    ],
    [
      { ports: [{ port: 1, protocol: 'ICMP' }] },
      ['spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
    ],
    [
      { ports: [{ port: 1, targetPort: 'a--b' }] },
      ['spec.ports[0].targetPort: Invalid value: "a--b": must not contain consecutive hyphens'],
    ],
    [
      { ports: [{ port: 1, nodePort: 30000 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1, nodePort: 30000 },
          { name: 'b', port: 2, nodePort: 30000 },
        ],
      },
      ['spec.ports[1].nodePort: Duplicate value: 30000'],
    ],
    [
      { ports: [{ name: 'a.b', port: 1, appProtocol: '/h2' }] },
      [
        'spec.ports[0].name: Invalid value: "a.b": must not contain dots',
        'spec.ports[0].appProtocol: Invalid value: "/h2": prefix part must be non-empty',
      ],
    ],
    [
      { loadBalancerClass: 'example.com/lb' },
      ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
    [
      { type: 'LoadBalancer', loadBalancerClass: 'a/b/c' },
      [
        "spec.loadBalancerClass: Invalid value: \"a/b/c\": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
      ],
    ],
    [
      { sessionAffinity: 'Cookie' },
      ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
    ],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90000 } } },
      [
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400',
      ],
    ],
    [
      { clusterIP: 'x' },
      [
        'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [
      { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2'] },
      ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
    ],
    [
      { clusterIP: '10.0.0.1', ipFamilies: ['IPv6'] },
      [
        'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
      ],
    ],
    [
      { ipFamilyPolicy: 'RequireDualStack' },
      [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      ],
    ],
    [{ ipFamilyPolicy: 'PreferDualStack' }, []],
    [{ ipFamilyPolicy: 'RequireDualStack', clusterIP: 'None' }, []],
    [{ ipFamilies: ['IPv4', 'IPv4'] }, ['spec.ipFamilies[1]: Duplicate value: "IPv4"']],
    [
      { ipFamilyPolicy: 'Both' },
      [
        'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      ],
    ],
    [
      { externalIPs: ['127.0.0.1'] },
      [
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ],
    ],
    [
      { loadBalancerSourceRanges: ['10.0.0.0/8'] },
      ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
    [
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['ten'] },
      [
        'spec.LoadBalancerSourceRanges[0]: Invalid value: "ten": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      { allocateLoadBalancerNodePorts: true },
      ["spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
    [
      { externalTrafficPolicy: 'Local' },
      [
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
      ],
    ],
    [
      { internalTrafficPolicy: 'Near' },
      ['spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"'],
    ],
    [
      { healthCheckNodePort: 30000 },
      [
        "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ],
    ],
    [
      { ports: [{ name: 'A', port: 1, appProtocol: '-' }] },
      [
        `spec.ports[0].name: Invalid value: "A": ${LABEL}`,
        `spec.ports[0].appProtocol: Invalid value: "-": name part ${QUALIFIED}`,
      ],
    ],
    [
      { clusterIP: 'None', clusterIPs: ['None', '10.0.0.1', 'None'] },
      [
        `spec.clusterIPs: Invalid value: ["None","10.0.0.1","None"]: 'None' must be the first and only value`,
        'spec.clusterIPs[2]: Invalid value: "None": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        'spec.clusterIPs: Invalid value: ["None","10.0.0.1","None"]: may only hold up to 2 values',
      ],
    ],
    [
      { clusterIPs: ['10.0.0.1', '10.0.0.2'] },
      [
        'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family',
      ],
    ],
    [
      { ipFamilies: ['IPv5'] },
      ['spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'],
    ],
    [
      { type: 'NodePort', externalTrafficPolicy: 'Near', loadBalancerClass: 'a' },
      [
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        'spec.externalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
      ],
    ],
    [
      {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        loadBalancerClass: '-',
        healthCheckNodePort: 70000,
      },
      [
        `spec.loadBalancerClass: Invalid value: "-": name part ${QUALIFIED}`,
        'spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      { trafficDistribution: 'Far' },
      [
        'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
      ],
    ],
    [
      { externalIPs: ['x'] },
      [
        'spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [{ selector: { a: '-' } }, [`spec.selector: Invalid value: "-": ${LABEL_VALUE}`]],
  ])('%j', (spec, expected) => {
    expect(strategy.validate(service(spec)).map(faultText)).toEqual(expected);
  });

  it('by its name, which must begin with a letter', () => {
    expect(strategy.validate(service({}, '1web'))[0]).toMatchObject({
      field: 'metadata.name',
      value: '1web',
    });
  });
});

describe('the status of a service', () => {
  const faultsWith = (type: string, ...ingress: Record<string, string>[]): string[] => {
    const object = service({ type });
    object.status = { loadBalancer: { ingress } };
    strategy.defaults!(object);
    return strategy.validateStatus!(object, object).map(faultText);
  };
  const at = 'status.loadBalancer.ingress';

  it('has addresses and names that are some', () => {
    expect(
      faultsWith(
        'LoadBalancer',
        { ip: 'x', ipMode: 'Magic' },
        { ipMode: 'VIP', hostname: 'a_b' },
        { hostname: '10.0.0.1' },
      ),
    ).toEqual([
      `${at}[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
      `${at}[0].ipMode: Unsupported value: "Magic": supported values: "Proxy", "VIP"`,
      `${at}[1].ipMode: Forbidden: may not be specified when \`ip\` is not set`,
      `${at}[1].hostname: Invalid value: "a_b": ${SUBDOMAIN}`,
      `${at}[2].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address`,
    ]);
    expect(faultsWith('LoadBalancer', { ip: '192.0.2.1' }, { hostname: 'lb.example.com' })).toEqual([]);
  });

  it('is empty without a load balancer', () => {
    expect(faultsWith('NodePort', { ip: '192.0.2.1' })).toEqual([
      `${at}: Forbidden: may only be used when \`spec.type\` is 'LoadBalancer'`,
    ]);
  });

  it('says of addresses how they are reached', () => {
    const object = service({ type: 'LoadBalancer' });
    object.status = {
      loadBalancer: {
        ingress: [{ ip: '192.0.2.1' }, { ip: '192.0.2.2', ipMode: 'Proxy' }, { hostname: 'a' }],
      },
    };
    strategy.defaults!(object);
    expect(object.status.loadBalancer!.ingress!.map(({ ipMode }) => ipMode)).toEqual([
      'VIP',
      'Proxy',
      undefined,
    ]);
  });
});

describe('defaults of a service', () => {
  it('are those of Kubernetes', () => {
    expect(service().spec).toEqual({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    });
    expect(service({ type: 'NodePort' }).spec).toMatchObject({ externalTrafficPolicy: 'Cluster' });
    expect(service({ type: 'LoadBalancer' }).spec).toMatchObject({ allocateLoadBalancerNodePorts: true });
    expect(service({ type: 'ExternalName' }).spec!.internalTrafficPolicy).toBeUndefined();
    expect(service({ sessionAffinity: 'ClientIP' }).spec!.sessionAffinityConfig).toEqual({
      clientIP: { timeoutSeconds: 10800 },
    });
  });
});

describe('allocation', () => {
  it('gives an address to a new service, and its family', () => {
    const web = service();
    strategy.prepareForCreate!(web);
    expect(allocate(web).claims).toEqual(['clusterIP any for spec.clusterIPs']);
    expect(web.spec).toMatchObject({
      clusterIP: '10.96.1.7',
      clusterIPs: ['10.96.1.7'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    });
  });

  it('takes the address that was asked for', () => {
    const web = service({ clusterIP: 'fd00::7' });
    strategy.prepareForCreate!(web);
    expect(allocate(web).claims).toEqual(['clusterIP fd00::7 for spec.clusterIPs']);
    expect(web.spec).toMatchObject({ clusterIPs: ['fd00::7'], ipFamilies: ['IPv6'] });
  });

  it('gives none to headless services and external names', () => {
    const headless = service({ clusterIP: 'None', selector: { a: 'b' } });
    strategy.prepareForCreate!(headless);
    expect(allocate(headless).claims).toEqual([]);
    expect(headless.spec).toMatchObject({
      clusterIPs: ['None'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    });
    const name = service({ type: 'ExternalName', externalName: 'example.com' });
    strategy.prepareForCreate!(name);
    expect(allocate(name).claims).toEqual([]);
    expect(name.spec!.ipFamilies).toBeUndefined();
  });

  it('gives each port a node port, and one to the two protocols of the same port', () => {
    const dns = service({
      type: 'NodePort',
      ports: [
        { name: 'udp', port: 53, protocol: 'UDP' },
        { name: 'tcp', port: 53 },
        { name: 'web', port: 80, nodePort: 31000 },
      ],
    });
    expect(allocate(dns).claims).toEqual([
      'clusterIP any for spec.clusterIPs',
      'nodePort any for spec.ports[0].nodePort',
      'nodePort 31000 for spec.ports[2].nodePort',
    ]);
    expect(dns.spec!.ports!.map((port) => port.nodePort)).toEqual([30001, 30001, 31000]);
  });

  it('gives a health check port to load balancers that stay local', () => {
    const web = service({
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      allocateLoadBalancerNodePorts: false,
    });
    expect(allocate(web).claims).toEqual([
      'clusterIP any for spec.clusterIPs',
      'nodePort any for spec.healthCheckNodePort',
    ]);
    expect(web.spec!.healthCheckNodePort).toBe(30001);
  });

  it('gives all back when the service goes', () => {
    const web = service({ type: 'NodePort' });
    allocate(web);
    expect(releasesOf(strategy.allocations!(undefined, web))).toEqual([
      'clusterIP 10.96.1.7',
      'nodePort 30001',
    ]);
  });
});

describe('an update of a service', () => {
  const old = service({ type: 'NodePort', ports: [{ name: 'a', port: 80 }] });
  strategy.prepareForCreate!(old);
  allocate(old);

  function update(spec: Record<string, unknown>): Service {
    const next = service(spec);
    strategy.prepareForUpdate!(next, old);
    return next;
  }

  it('keeps what was allocated and is not mentioned', () => {
    const next = update({
      type: 'NodePort',
      ports: [
        { name: 'a', port: 8080 },
        { name: 'b', port: 81 },
      ],
    });
    expect(next.spec).toMatchObject({
      clusterIP: '10.96.1.7',
      clusterIPs: ['10.96.1.7'],
      ipFamilies: ['IPv4'],
    });
    expect(next.spec!.ports!.map((port) => port.nodePort)).toEqual([30001, undefined]);
    expect(allocate(next, old)).toEqual({
      claims: ['nodePort any for spec.ports[1].nodePort'],
      releases: [],
    });
    expect(strategy.validateUpdate!(next, old)).toEqual([]);
  });

  it('gives back what the new type has no use for', () => {
    const toClusterIP = update({
      ports: [{ name: 'a', port: 80, nodePort: 30001 }],
      externalTrafficPolicy: 'Cluster',
    });
    expect(toClusterIP.spec!.ports![0]!.nodePort).toBeUndefined();
    expect(toClusterIP.spec!.externalTrafficPolicy).toBeUndefined();
    expect(strategy.validate(toClusterIP)).toEqual([]);
    expect(allocate(toClusterIP, old)).toEqual({ claims: [], releases: ['nodePort 30001'] });

    const toName = update({ type: 'ExternalName', externalName: 'a.b', clusterIP: '10.96.1.7' });
    expect(strategy.validate(toName)).toEqual([]);
    expect(allocate(toName, old).releases).toEqual(['clusterIP 10.96.1.7', 'nodePort 30001']);
  });

  it('keeps the port of health checks for as long as they are made', () => {
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] };
    const before = service({ ...local, healthCheckNodePort: 30007 });
    const next = service(local);
    strategy.prepareForUpdate!(next, before);
    expect(next.spec!.healthCheckNodePort).toBe(30007);
    const moved = service({ ...local, healthCheckNodePort: 30008 });
    strategy.prepareForUpdate!(moved, before);
    expect(strategy.validateUpdate!(moved, before).map(faultText)).toEqual([
      'spec.healthCheckNodePort: Forbidden: field is immutable',
    ]);
    const open = service({ ...local, externalTrafficPolicy: 'Cluster', healthCheckNodePort: 30007 });
    strategy.prepareForUpdate!(open, before);
    expect(open.spec!.healthCheckNodePort).toBeUndefined();
  });

  it('cannot change the family, nor who balances the load', () => {
    const before = service({ type: 'LoadBalancer', clusterIP: '10.0.0.1', ipFamilies: ['IPv4'] });
    const next = service({ type: 'LoadBalancer', ipFamilies: ['IPv6'], loadBalancerClass: 'a' });
    strategy.prepareForUpdate!(next, before);
    expect(strategy.validateUpdate!(next, before).map(faultText)).toEqual([
      'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set',
      'spec.loadBalancerClass: Invalid value: "a": may not change once set',
    ]);
  });

  it('of one without an address may change the families', () => {
    const before = service({ clusterIP: 'None', ipFamilies: ['IPv4'] });
    const next = service({ clusterIP: 'None', ipFamilies: ['IPv6'] });
    expect(strategy.validateUpdate!(next, before)).toEqual([]);
    expect(strategy.validateUpdate!(service({ clusterIP: '10.0.0.1' }), before).map(faultText)).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.0.0.1"]: may not change once set',
    ]);
  });

  it('cannot change the address', () => {
    const moved = update({ type: 'NodePort', clusterIP: '10.96.1.8', ports: [{ name: 'a', port: 80 }] });
    expect(strategy.validateUpdate!(moved, old).map(faultText)).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.96.1.8"]: may not change once set',
    ]);
  });
});
