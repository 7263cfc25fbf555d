import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Container, Pod, Service } from '#api/objects.ts';
import { parseResolvConf } from '#network/dns/resolv-conf.ts';
import { readAccountFiles } from './account-files.ts';
import { type ContainerInput, containerSpec } from './container.ts';
import { containerEnv } from './env.ts';
import { expand } from './expand.ts';
import { hostsFile, podHostname } from './hosts.ts';
import { resolveSubPath, volumeMountStatuses, volumeMounts } from './mounts.ts';
import { formatResolvConf, podResolvConf } from './resolv.ts';
import { containerResources, oomScoreAdj, podResources } from './resources.ts';
import { sandboxSpec } from './sandbox.ts';
import { containerSecurity, type SecurityProfiles } from './security.ts';
import { serviceEnv } from './service-env.ts';
import { resolveUser } from './user.ts';

const paths = { dataDir: '/data', memoryDir: '/memory' };
const profiles: SecurityProfiles = {
  defaultCapabilities: ['CAP_CHOWN', 'CAP_KILL'],
  maskedPaths: ['/proc/kcore'],
  readOnlyPaths: ['/proc/sys'],
  allCapabilities: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'],
  seccomp: (capabilities) => new Uint8Array([capabilities.length]),
  seccompProfile: ({ length }) => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: length,
    syscalls: [],
  }),
};

function pod(spec: Partial<Pod['spec']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels: { app: 'web' } },
    spec: { containers: [{ name: 'main', image: 'busybox' }], ...spec },
  };
}

describe('expand', () => {
  it.each([
    ['plain', 'plain'],
    ['$(A)', '1'],
    ['$(A)-$(B)', '1-2'],
    ['$(NONE)', '$(NONE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(A', '$(A'],
    ['$A $', '$A $'],
  ])('%s becomes %s', (text, wanted) => {
    expect(expand(text, (name) => ({ A: '1', B: '2' })[name])).toBe(wanted);
  });
});

describe('environment', () => {
  const data = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
  const sources = {
    configMap: (name: string) => (name === 'settings' ? data({ COLOR: 'blue', SIZE: 'xl' }) : undefined),
    secret: (name: string) => (name === 'keys' ? data({ password: 'hunter2' }) : undefined),
  };
  const env = (container: Partial<Container>, service: Record<string, string> = {}) =>
    containerEnv({
      container: { name: 'main', ...container },
      facts: { pod: pod(), podIPs: ['10.0.0.2'], hostIPs: ['192.0.2.1'] },
      sources,
      serviceEnv: service,
    });

  it('takes whole ConfigMaps and Secrets, single keys and fields', () => {
    expect(
      env({
        envFrom: [{ prefix: 'S_', configMapRef: { name: 'settings' } }],
        env: [
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'URL', value: 'http://$(IP)/$(S_COLOR)?$(LATER)' },
          { name: 'LATER', value: 'x' },
        ],
      }),
    ).toEqual({
      S_COLOR: 'blue',
      S_SIZE: 'xl',
      PASSWORD: 'hunter2',
      IP: '10.0.0.2',
      URL: 'http://10.0.0.2/blue?$(LATER)',
      LATER: 'x',
    });
  });

  it('lets the pod win over Service variables, which it may refer to', () => {
    const service = { WEB_PORT: 'tcp', WEB_HOST: 'h' };
    expect(env({ env: [{ name: 'WEB_PORT', value: 'mine at $(WEB_HOST)' }] }, service)).toEqual({
      WEB_PORT: 'mine at h',
      WEB_HOST: 'h',
    });
  });

  it.each([
    [{ envFrom: [{ configMapRef: { name: 'no' } }] }, 'configmap "no" not found'],
    [{ envFrom: [{ secretRef: { name: 'no' } }] }, 'secret "no" not found'],
    [
      { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'keys', key: 'z' } } }] },
      "couldn't find key z in Secret shop/keys",
    ],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'no', key: 'z' } } }] },
      'configmap "no" not found',
    ],
  ])('says what is missing: %j', (container, message) => {
    expect(() => env(container)).toThrow(message);
  });

  it('leaves out what is optional', () => {
    expect(
      env({
        envFrom: [{ secretRef: { name: 'no', optional: true } }],
        env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'no', key: 'z', optional: true } } }],
      }),
    ).toEqual({});
  });
});

describe('Service variables', () => {
  const service = (namespace: string, name: string, clusterIP: string): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { clusterIP, ports: [{ port: 80, name: 'http', protocol: 'TCP' }] },
  });
  const services = [
    service('shop', 'my-db', '10.96.0.5'),
    service('other', 'hidden', '10.96.0.6'),
    service('shop', 'headless', 'None'),
    service('default', 'kubernetes', '10.96.0.1'),
  ];

  it('name those of the namespace and the API', () => {
    const env = serviceEnv(services, 'shop', true);
    expect(env).toMatchObject({
      MY_DB_SERVICE_HOST: '10.96.0.5',
      MY_DB_SERVICE_PORT: '80',
      MY_DB_SERVICE_PORT_HTTP: '80',
      MY_DB_PORT: 'tcp://10.96.0.5:80',
      MY_DB_PORT_80_TCP_ADDR: '10.96.0.5',
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
    });
    expect(Object.keys(env).filter((name) => /HIDDEN|HEADLESS/.test(name))).toEqual([]);
  });

  it('name only the API when links are off', () => {
    expect(serviceEnv(services, 'shop', false)).not.toHaveProperty('MY_DB_SERVICE_HOST');
    expect(serviceEnv(services, 'shop', false)).toHaveProperty('KUBERNETES_SERVICE_PORT');
  });
});

describe('user', () => {
  const accounts = {
    passwd: 'root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n',
    group: 'root:x:0:\nweb:x:102:\nmedia:x:200:web,other\n',
  };
  const resolve = (image: string, security: Container['securityContext'] = {}, shared: object = {}) =>
    resolveUser(
      image,
      accounts,
      { name: 'p', namespace: 'n', uid: 'u', spec: pod({ securityContext: shared }).spec! },
      { name: 'main', securityContext: security },
    );

  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['web', { uid: 101, gid: 102, additionalGids: [200], home: '/srv' }],
    ['101', { uid: 101, gid: 102, additionalGids: [200], home: '/srv' }],
    ['web:media', { uid: 101, gid: 200, additionalGids: [], home: '/srv' }],
    ['5000:6000', { uid: 5000, gid: 6000, additionalGids: [], home: '/' }],
    ['5000', { uid: 5000, gid: 0, additionalGids: [], home: '/' }],
  ])('USER %s', (image, wanted) => {
    expect(resolve(image)).toEqual(wanted);
  });

  it('is overridden by the security context', () => {
    expect(
      resolve('root', { runAsUser: 101, runAsGroup: 7 }, { fsGroup: 9, supplementalGroups: [8] }),
    ).toEqual({
      uid: 101,
      gid: 7,
      additionalGids: [200, 8, 9],
      home: '/srv',
    });
  });

  it('CVE-2024-40635: a USER that is root in other digits is no non-root user', () => {
    for (const image of ['0', '00', '0000000000:1']) {
      expect(() => resolve(image, { runAsNonRoot: true }), image).toThrow('image will run as root');
      // Root it would be.
      expect(resolve(image).uid, image).toBe(0);
    }
    // Nothing is cut here: the runtime sees the number that was written, and refuses it.
    expect(resolve('4294967296', { runAsNonRoot: true }).uid).toBe(2 ** 32);
  });

  it.each([
    ['', {}, 'container has runAsNonRoot and image will run as root (pod: "p_n(u)", container: main)'],
    ['web', {}, 'image has non-numeric user (web), cannot verify user is non-root'],
    ['5', { runAsUser: 0 }, "container's runAsUser breaks non-root policy"],
  ])('USER %s with %j is no non-root user', (image, security, message) => {
    expect(() => resolve(image, { ...security, runAsNonRoot: true })).toThrow(message);
  });

  it('must exist', () => {
    expect(() => resolve('nobody-here')).toThrow('unable to find user nobody-here');
  });
});

describe('account files', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(`${tmpdir()}/gantry-accounts-`);
    await mkdir(`${root}/low/etc`, { recursive: true });
    await mkdir(`${root}/high/etc`, { recursive: true });
    await writeFile(`${root}/low/etc/passwd`, 'low');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('come from the highest layer that has them', async () => {
    expect(await readAccountFiles([`${root}/low`, `${root}/high`])).toEqual({ passwd: 'low', group: '' });
    await writeFile(`${root}/high/etc/passwd`, 'high');
    expect((await readAccountFiles([`${root}/low`, `${root}/high`])).passwd).toBe('high');
  });

  it('are never read through a link', async () => {
    await symlink('/etc/passwd', `${root}/high/etc/passwd`);
    expect((await readAccountFiles([`${root}/low`, `${root}/high`])).passwd).toBe('');
  });
});

describe('resources', () => {
  const main = (requests?: object, limits?: object): Container => ({
    name: 'main',
    resources: { ...(requests && { requests }), ...(limits && { limits }) } as Container['resources'],
  });
  it('become shares, quotas and limits', () => {
    expect(containerResources(main({ cpu: '250m' }, { cpu: '500m', memory: '64Mi' }))).toEqual({
      cpuShares: 256,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      memoryBytes: 64 * 1024 * 1024,
    });
    expect(containerResources(main())).toEqual({ cpuShares: 2 });
  });

  it('limit the pod only when every container is limited', () => {
    const limited = main(undefined, { memory: '1Mi' });
    expect(podResources({ containers: [limited, limited] }).memoryBytes).toBe(2 * 1024 * 1024);
    expect(podResources({ containers: [limited, main()] }).memoryBytes).toBeUndefined();
  });

  it('decide who is killed first when memory runs out', () => {
    const score = (container: Container) =>
      oomScoreAdj(pod({ containers: [container] }), container, 1024 ** 3);
    expect(score(main())).toBe(1000);
    expect(score(main({ memory: '512Mi' }))).toBe(500);
    expect(score(main(undefined, { cpu: '1', memory: '1Gi' }))).toBe(-997);
  });
});

describe('security', () => {
  const of = (securityContext: Container['securityContext']) =>
    containerSecurity(pod().spec!, { name: 'main', securityContext }, profiles);

  it('is the default filter and the default capabilities when nothing is said', () => {
    expect(of({})).toMatchObject({
      capabilities: ['CAP_CHOWN', 'CAP_KILL'],
      seccomp: new Uint8Array([2]),
      seccompProfile: { defaultErrnoRet: 2 },
      noNewPrivileges: false,
    });
    expect(of({}).maskedPaths).toContain('/proc/kcore');
  });

  it.each([
    [{ add: ['NET_ADMIN'], drop: ['KILL'] }, ['CAP_CHOWN', 'CAP_NET_ADMIN']],
    [{ add: ['chown'], drop: ['ALL'] }, ['CAP_CHOWN']],
    [{ add: ['ALL'] }, profiles.allCapabilities],
    [{ add: ['ALL'], drop: ['SYS_ADMIN'] }, ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN']],
  ])('capabilities %j', (capabilities, wanted) => {
    expect(of({ capabilities }).capabilities).toEqual(wanted);
  });

  it('is nearly nothing when privileged', () => {
    const security = of({ privileged: true });
    expect(security).toMatchObject({
      capabilities: profiles.allCapabilities,
      maskedPaths: [],
      readOnlyPaths: [],
    });
    expect(security.seccomp).toBeUndefined();
    expect(security.devices).toBe('all');
    expect(of({})).not.toHaveProperty('devices');
  });

  it('refuses what it cannot do', () => {
    expect(() => of({ capabilities: { add: ['FLY'] } })).toThrow('unknown capability "CAP_FLY"');
    expect(() => of({ seccompProfile: { type: 'Localhost', localhostProfile: 'x.json' } })).toThrow(
      'this node has no profiles',
    );
  });
});

describe('hosts and resolv.conf', () => {
  it('name the pod', () => {
    expect(podHostname(pod(), 'cluster.local')).toEqual({ hostname: 'web' });
    const named = pod({ hostname: 'a', subdomain: 'db' });
    const names = podHostname(named, 'cluster.local');
    expect(names).toEqual({ hostname: 'a', fqdn: 'a.db.shop.svc.cluster.local' });
    expect(hostsFile(named, ['10.0.0.2'], names, '')).toContain('10.0.0.2\ta.db.shop.svc.cluster.local\ta\n');
  });

  it('hold the aliases of the pod', () => {
    const file = hostsFile(
      pod({ hostAliases: [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }] }),
      [],
      { hostname: 'w' },
      '',
    );
    expect(file).toContain('# Entries added by HostAliases.\n1.2.3.4\tx\ty\n');
  });

  const cluster = { dnsAddress: '10.96.0.10', domain: 'cluster.local' };
  const node = parseResolvConf('# x\nnameserver 9.9.9.9\nsearch corp.example\noptions rotate\n');
  const conf = (spec: Partial<Pod['spec']>) => formatResolvConf(podResolvConf(pod(spec), cluster, node));
  const clusterFirst =
    'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\noptions ndots:5\n';
  const ofNode = 'search corp.example\nnameserver 9.9.9.9\noptions rotate\n';

  it.each([
    [{}, clusterFirst],
    [{ hostNetwork: true }, ofNode],
    [{ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }, clusterFirst],
    [{ dnsPolicy: 'Default' }, ofNode],
    [
      {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['1.1.1.1'], searches: ['s'], options: [{ name: 'ndots', value: '2' }] },
      },
      'search s\nnameserver 1.1.1.1\noptions ndots:2\n',
    ],
  ])('dnsPolicy of %j', (spec, wanted) => {
    expect(conf(spec)).toBe(wanted);
  });
});

describe('subPath', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(`${tmpdir()}/gantry-subpath-`);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const at = (subPath: string) => resolveSubPath({ path: root, readOnly: false }, subPath);

  it('is made when it is missing', async () => {
    expect(await at('a/b')).toBe(`${root}/a/b`);
  });

  it('follows links that stay in the volume', async () => {
    await mkdir(`${root}/..1`);
    await writeFile(`${root}/..1/key`, '');
    await symlink('..1', `${root}/..data`);
    await symlink('..data/key', `${root}/key`);
    expect(await at('key')).toBe(`${root}/..1/key`);
  });

  it('is mounted without following links: what a container swaps meanwhile leads nowhere', async () => {
    const container: Container = {
      ...{ name: 'c', image: 'i' },
      volumeMounts: [
        { name: 'v', mountPath: '/sub', subPath: 'a' },
        { name: 'v', mountPath: '/all' },
      ],
    };
    const volumes = new Map([['v', { path: root, readOnly: false }]]);
    const [sub, all] = await volumeMounts(container, volumes, {}, resolveSubPath);
    expect(sub).toMatchObject({ source: `${root}/a`, options: ['rbind', 'rw', 'nolinks'] });
    expect(all).toMatchObject({ source: root, options: ['rbind', 'rw'] });
  });

  it('and propagation are passed on as the pod asks for them', async () => {
    const on = (mount: Partial<NonNullable<Container['volumeMounts']>[number]>) => ({
      ...{ name: 'v', mountPath: '/v', ...mount },
    });
    const container: Container = {
      ...{ name: 'c', image: 'i' },
      volumeMounts: [
        on({ mountPropagation: 'None' }),
        on({ mountPropagation: 'HostToContainer' }),
        on({ mountPropagation: 'Bidirectional', subPath: 'a' }),
        on({ readOnly: true }),
        on({ readOnly: true, recursiveReadOnly: 'Disabled' }),
        on({ readOnly: true, recursiveReadOnly: 'IfPossible' }),
        on({ readOnly: true, recursiveReadOnly: 'Enabled' }),
      ],
    };
    const volumes = new Map([['v', { path: root, readOnly: false }]]);
    const mounts = await volumeMounts(container, volumes, {}, resolveSubPath);
    expect(mounts.map(({ options }) => options.join(','))).toEqual([
      'rbind,rw',
      'rbind,rw,rslave',
      'rbind,rw,rshared,nolinks',
      'rbind,ro',
      'rbind,ro',
      'rbind,ro,rro',
      'rbind,ro,rro',
    ]);
    expect(volumeMountStatuses(container).map((status) => status.recursiveReadOnly)).toEqual([
      ...[undefined, undefined, undefined],
      ...['Disabled', 'Disabled', 'Enabled', 'Enabled'],
    ]);
  });

  it('never leaves the volume', async () => {
    await symlink('/etc', `${root}/out`);
    await symlink('/nowhere', `${root}/dangling`);
    await expect(at('out/passwd')).rejects.toThrow('leaves the volume');
    await expect(at('dangling')).rejects.toThrow('does not exist');
    await expect(at('../x')).rejects.toThrow("without '..'");
  });
});

describe('a container for the runtime', () => {
  const input = (container: Partial<Container>): ContainerInput => ({
    pod: pod(),
    container: { name: 'main', image: 'busybox', ...container },
    attempt: 2,
    image: {
      id: 'sha256:1',
      names: [],
      config: {
        entrypoint: ['/entry'],
        cmd: ['serve'],
        env: ['PATH=/bin', 'MODE=image'],
        workingDir: '/work',
        user: '',
        exposedPorts: [],
        volumes: [],
        labels: {},
        stopSignal: '',
        architecture: 'amd64',
        os: 'linux',
      },
      layers: [],
      sizeBytes: 0,
      source: 'registry',
    },
    imageId: 'sha256:1',
    hostname: 'web',
    user: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
    env: { MODE: 'pod' },
    root: { type: 'overlay', source: 'overlay', target: '/', options: [] },
    mounts: [],
    profiles,
    nodeMemoryBytes: 1024 ** 3,
    paths,
  });

  it.each([
    [{}, ['/entry', 'serve']],
    [{ args: ['x', '$(MODE)'] }, ['/entry', 'x', 'pod']],
    [{ command: ['/c'] }, ['/c']],
    [{ command: ['/c'], args: ['a'] }, ['/c', 'a']],
  ])('runs %j', (container, args) => {
    expect(containerSpec(input(container)).args).toEqual(args);
  });

  it('has an environment, a log and an id of its own', () => {
    const spec = containerSpec(input({ stdin: true, tty: true }));
    expect(spec).toMatchObject({
      id: 'main.2',
      cwd: '/work',
      stdin: 'open',
      tty: true,
      logPath: '/data/logs/pods/shop_web_u1/main/2.log',
    });
    expect(spec.env.sort()).toEqual(['HOME=/root', 'HOSTNAME=web', 'MODE=pod', 'PATH=/bin', 'TERM=xterm']);
  });

  it('has an init when the pod asks for one', () => {
    const withInit = (annotations: Record<string, string>) => {
      const whole = input({});
      const metadata = { ...whole.pod.metadata, annotations };
      return containerSpec({ ...whole, pod: { ...whole.pod, metadata } }).init;
    };
    expect(withInit({ 'gantry.dev/init': 'true' })).toBe(true);
    expect(withInit({ 'gantry.dev/init': 'false' })).toBeUndefined();
    expect(withInit({})).toBeUndefined();
  });

  it('lives in a sandbox of the pod', () => {
    expect(sandboxSpec(pod({ hostNetwork: true }), 'web', 'oci', paths)).toMatchObject({
      id: 'u1',
      handler: 'oci',
      hostname: 'web',
      namespaces: { network: 'node', pid: 'pod', ipc: 'pod' },
      cgroupParent: 'kubepods/besteffort',
      logDirectory: '/data/logs/pods/shop_web_u1',
    });
  });
});
