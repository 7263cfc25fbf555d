import { describe, expect, test } from 'vitest';
import { TestNode } from './test-node.ts';

describe('a pod with a sysctl', () => {
  const WHY = 'forbidden sysctl: "kernel.sem" not allowlisted';
  const sysctls = (name: string) => ({ securityContext: { sysctls: [{ name, value: '1' }] } });

  test('that its node forbids has failed before anything of it is made', async () => {
    const node = new TestNode();
    await node.start();
    await node.create('web', sysctls('kernel.sem'));
    await node.run(3_000);
    const rejected = { phase: 'Failed', reason: 'SysctlForbidden', message: `Pod was rejected: ${WHY}` };
    expect(node.pod('web')!.status).toMatchObject(rejected);
    // Else they, not the reason, would be what "kubectl get pods" shows.
    expect(node.pod('web')!.status).not.toHaveProperty('containerStatuses');
    expect(node.events).toContainEqual({ reason: 'SysctlForbidden', message: WHY });
    expect(await node.runtime.list()).toEqual([]);
    await node.delete('web');
    await node.run(61_000);
    expect(node.pod('web')).toBeUndefined();
    expect(await node.traces()).toEqual([]);
  });

  test.each(['kernel.msgmax', 'net.ipv4.tcp_syncookies'])('that its node allows runs: %s', async (name) => {
    const node = new TestNode();
    await node.start();
    await node.create('web', sysctls(name));
    await node.run(3_000);
    expect(node.isReady('web')).toBe(true);
  });
});

test('a pod that asks for AppArmor where there is none has failed, and never runs without', async () => {
  const node = new TestNode();
  await node.start();
  const why = 'Cannot enforce AppArmor: AppArmor is not enabled on the host';
  await node.create('web', {
    securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'web' } },
  });
  await node.run(3_000);
  const rejected = { phase: 'Failed', reason: 'AppArmor', message: `Pod was rejected: ${why}` };
  expect(node.pod('web')!.status).toMatchObject(rejected);
  expect(node.events).toContainEqual({ reason: 'AppArmor', message: why });
  expect(await node.runtime.list()).toEqual([]);
});
