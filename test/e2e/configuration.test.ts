import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { statusOf, TestPods } from '../harness/pods.ts';
import { eventually } from '../harness/run.ts';

/** How what the API says reaches a program: environment, volumes, tokens. */
describe.skipIf(whyNoHost())('configuration', () => {
  const cluster = new TestCluster();
  const pods = new TestPods(cluster);
  const idle = (more: object = {}) => pods.container('exec sleep 1000', more);

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
    await cluster.must(['create', 'configmap', 'app', '--from-literal=color=blue', '--from-literal=size=xl']);
    await cluster.must(['create', 'secret', 'generic', 'keys', '--from-literal=password=hunter2']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  describe('environment', () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const resource = (name: string, resource: string, divisor: string) => ({
      name,
      valueFrom: { resourceFieldRef: { resource, divisor } },
    });
    let pod: Pod;
    let env: Record<string, string>;

    beforeAll(async () => {
      await pods.run(
        'env',
        {
          containers: [
            idle({
              resources: {
                requests: { memory: '16Mi', cpu: '10m' },
                limits: { memory: '32Mi', cpu: '1500m' },
              },
              envFrom: [{ prefix: 'APP_', configMapRef: { name: 'app' } }, { secretRef: { name: 'keys' } }],
              env: [
                field('NAME', 'metadata.name'),
                field('NAMESPACE', 'metadata.namespace'),
                field('UID', 'metadata.uid'),
                field('LABEL', "metadata.labels['tier']"),
                field('ANNOTATION', "metadata.annotations['example.com/note']"),
                field('NODE', 'spec.nodeName'),
                field('ACCOUNT', 'spec.serviceAccountName'),
                field('HOST_IP', 'status.hostIP'),
                field('HOST_IPS', 'status.hostIPs'),
                field('POD_IP', 'status.podIP'),
                field('POD_IPS', 'status.podIPs'),
                resource('MEMORY_LIMIT', 'limits.memory', '1Mi'),
                resource('MEMORY_REQUEST', 'requests.memory', '1'),
                resource('CPU_LIMIT', 'limits.cpu', '0'),
                resource('CPU_REQUEST', 'requests.cpu', '1m'),
                { name: 'SIZE', valueFrom: { configMapKeyRef: { name: 'app', key: 'size' } } },
                { name: 'PASS', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
                { name: 'MISSING', valueFrom: { secretKeyRef: { name: 'no', key: 'no', optional: true } } },
                { name: 'BOTH', value: '$(SIZE)-$(APP_color)-$$(SIZE)-$(NOTHING)' },
              ],
            }),
          ],
        },
        { labels: { tier: 'web' }, annotations: { 'example.com/note': 'two words' } },
      );
      pod = await pods.get('env');
      const lines = (await pods.sh('env', 'env')).split('\n');
      env = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
    });

    test('fields of the pod', () => {
      expect(env).toMatchObject({
        NAME: 'env',
        NAMESPACE: 'default',
        UID: pod.metadata.uid,
        LABEL: 'web',
        ANNOTATION: 'two words',
        NODE: 'node-1',
        ACCOUNT: 'default',
        HOST_IP: cluster.host.address,
        HOST_IPS: cluster.host.address,
        POD_IP: pod.status!.podIP,
        POD_IPS: pod.status!.podIP,
      });
    });

    test('resources of the container, in units of the divisor, rounded up', () => {
      expect(env).toMatchObject({
        MEMORY_LIMIT: '32',
        MEMORY_REQUEST: String(16 * 1024 * 1024),
        CPU_LIMIT: '2',
        CPU_REQUEST: '10',
      });
    });

    test('ConfigMaps and Secrets, whole and by key; references are expanded, once', () => {
      expect(env).toMatchObject({
        APP_color: 'blue',
        APP_size: 'xl',
        password: 'hunter2',
        SIZE: 'xl',
        PASS: 'hunter2',
        BOTH: 'xl-blue-$(SIZE)-$(NOTHING)',
      });
      expect(env).not.toHaveProperty('MISSING');
    });

    test('a key that does not exist is said, and the container starts once it does', async () => {
      await pods.create('waits', {
        containers: [
          idle({ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'late', key: 'x' } } }] }),
        ],
      });
      const waiting = await pods.until(
        'waits',
        (found) => statusOf(found)?.state?.waiting?.reason === 'CreateContainerConfigError',
      );
      expect(statusOf(waiting)?.state?.waiting?.message).toBe('configmap "late" not found');
      await cluster.must(['create', 'configmap', 'late', '--from-literal=x=1']);
      await pods.ready('waits');
      expect(await pods.sh('waits', 'echo $X')).toBe('1');
    });
  });

  describe('volumes', () => {
    beforeAll(async () => {
      await cluster.must(['create', 'configmap', 'live', '--from-literal=a=one', '--from-literal=b=two']);
      await pods.run(
        'volumes',
        {
          containers: [
            idle({
              volumeMounts: [
                { name: 'live', mountPath: '/live' },
                { name: 'live', mountPath: '/single/a.txt', subPath: 'a' },
                { name: 'secret', mountPath: '/secret', readOnly: true },
                { name: 'pod', mountPath: '/pod' },
                { name: 'all', mountPath: '/all' },
                { name: 'memory', mountPath: '/memory' },
                { name: 'disk', mountPath: '/disk' },
                { name: 'disk', mountPath: '/disk-read-only', readOnly: true },
                { name: 'disk', mountPath: '/part', subPath: 'made/here' },
                { name: 'disk', mountPath: '/mine', subPathExpr: '$(POD)' },
              ],
              env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
            }),
          ],
          volumes: [
            { name: 'live', configMap: { name: 'live' } },
            {
              name: 'secret',
              secret: {
                secretName: 'keys',
                defaultMode: 0o400,
                items: [{ key: 'password', path: 'deep/pw' }],
              },
            },
            {
              name: 'pod',
              downwardAPI: {
                items: [
                  { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
                  {
                    path: 'cpu',
                    resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' },
                  },
                ],
              },
            },
            {
              name: 'all',
              projected: {
                sources: [
                  { configMap: { name: 'app', items: [{ key: 'color', path: 'c' }] } },
                  { secret: { name: 'keys' } },
                  { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
                  {
                    serviceAccountToken: {
                      path: 'token',
                      audience: 'somebody-else',
                      expirationSeconds: 600,
                    },
                  },
                ],
              },
            },
            { name: 'memory', emptyDir: { medium: 'Memory' } },
            { name: 'disk', emptyDir: {} },
          ],
        },
        { labels: { stage: 'first' } },
      );
    });
    const sh = (script: string) => pods.sh('volumes', script);

    test('a ConfigMap is a directory of its keys, a subPath is one of them', async () => {
      expect(await sh('cat /live/a /live/b /single/a.txt')).toBe('onetwoone');
    });

    test('what changes in a ConfigMap, what comes and what goes, reaches the directory; a subPath stays', async () => {
      await cluster.must([
        ...['patch', 'configmap', 'live', '--type=merge'],
        ...['-p', '{"data":{"a":"changed","b":null,"n":"new"}}'],
      ]);
      await eventually(
        'the change is seen',
        async () => (await sh('cat /live/a /live/n; ls /live')) === 'changednewa\nn' || undefined,
      );
      expect(await sh('cat /single/a.txt')).toBe('one');
    });

    test('a Secret is on no disk, with its paths and modes, and cannot be written', async () => {
      expect(await sh('cat /secret/deep/pw; stat -L -c " %a" /secret/deep/pw')).toBe('hunter2 400');
      expect(await sh('awk \'$2 == "/secret" { print $3 }\' /proc/mounts')).toBe('tmpfs');
      expect(await sh('touch /secret/x 2>/dev/null && echo written || echo refused')).toBe('refused');
    });

    test('fields of the pod are files, and follow it', async () => {
      expect(await sh('cat /pod/labels')).toBe('stage="first"');
      expect(Number(await sh('cat /pod/cpu'))).toBeGreaterThanOrEqual(1000);
      await cluster.must(['label', 'pod', 'volumes', 'stage=second', '--overwrite']);
      await eventually(
        'the label is seen',
        async () => (await sh('cat /pod/labels')) === 'stage="second"' || undefined,
      );
    });

    test('a projected volume is all its sources in one directory', async () => {
      expect(await sh('ls /all; cat /all/c /all/name /all/password')).toBe(
        'c\nname\npassword\ntoken\nbluevolumeshunter2',
      );
      const claims = JSON.parse(
        Buffer.from((await sh('cat /all/token')).split('.')[1]!, 'base64url').toString(),
      );
      expect(claims).toMatchObject({
        aud: ['somebody-else'],
        sub: 'system:serviceaccount:default:default',
        'kubernetes.io': { pod: { name: 'volumes' }, namespace: 'default' },
      });
      expect(claims.exp - claims.iat).toBe(600);
    });

    test('an emptyDir is writable, in memory when it says so, and a subPath of it is made', async () => {
      expect(
        await sh('awk \'$2 ~ /^.(memory|disk)$/ { print $2, $3 == "tmpfs" }\' /proc/mounts | sort'),
      ).toBe('/disk 0\n/memory 1');
      expect(await sh('echo x > /memory/x && echo y > /part/y && cat /disk/made/here/y')).toBe('y');
      expect(await sh('echo z > /mine/z && cat /disk/volumes/z')).toBe('z');
    });

    test('a read-only mount of a writable volume cannot be written', async () => {
      expect(await sh('touch /disk-read-only/x 2>/dev/null && echo written || echo refused')).toBe('refused');
      expect(await sh('mount -o remount,rw /disk-read-only 2>/dev/null && echo done || echo refused')).toBe(
        'refused',
      );
    });

    test('a subPath never leaves its volume', async () => {
      await sh('ln -s / /disk/root; ln -s ../../.. /disk/up');
      const volumes = [{ name: 'v', emptyDir: {} }];
      const mount = [{ name: 'v', mountPath: '/v' }];
      await pods.create('escape', {
        restartPolicy: 'Never',
        initContainers: [{ ...pods.container('ln -s /etc /v/out', { volumeMounts: mount }), name: 'link' }],
        containers: [
          pods.container('ls /x', { volumeMounts: [{ ...mount[0], mountPath: '/x', subPath: 'out' }] }),
        ],
        volumes,
      });
      const pod = await pods.until(
        'escape',
        (found) => statusOf(found)?.state?.waiting?.message !== undefined,
      );
      expect(statusOf(pod)?.state?.waiting?.message).toContain('leaves the volume');
    });

    test('a volume whose ConfigMap is missing holds the pod back, and says why', async () => {
      await pods.create('held', {
        containers: [idle({ volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
        volumes: [{ name: 'v', configMap: { name: 'comes-later' } }],
      });
      await eventually('it is said', async () =>
        (await pods.events('held')).some(
          (event) => event.startsWith('FailedMount') && event.includes('configmap "comes-later" not found'),
        )
          ? true
          : undefined,
      );
      await pods.until('held', (pod) => statusOf(pod)?.state?.waiting?.reason === 'ContainerCreating');
      await cluster.must(['create', 'configmap', 'comes-later', '--from-literal=k=v']);
      await pods.ready('held');
      expect(await pods.sh('held', 'cat /v/k')).toBe('v');
    });

    test('nothing of a Secret stays on the node when its pod has gone', async () => {
      const uid = (await pods.get('volumes')).metadata.uid!;
      await pods.delete('volumes');
      // Its logs go a moment after the object.
      await eventually('nothing of it is there', async () => {
        const script = `find /run /dev/shm ${cluster.directory} -path '*${uid}*'`;
        return (await cluster.inside('sh', ['-c', script])).stdout === '' || undefined;
      });
    });
  });
});
