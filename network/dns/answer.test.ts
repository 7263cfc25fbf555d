import { expect, test } from 'vitest';
import { answerLocally, RCODE } from './answer.ts';
import { Zone } from './zone.ts';

const ask = (zone: Zone, name: string) => answerLocally(zone, [], { name, type: 'A', class: 'IN' });

test('a zone whose records are still to come does not say that a name does not exist', () => {
  const zone = new Zone('cluster.local', false);
  zone.set('a', [{ name: 'web.shop.svc.cluster.local', type: 'A', data: '10.96.0.7' }]);
  const before = zone.generation;
  expect(ask(zone, 'web.shop.svc.cluster.local')).toMatchObject({ rcode: RCODE.NOERROR });
  expect(ask(zone, 'db.shop.svc.cluster.local')).toMatchObject({ rcode: RCODE.SERVFAIL });
  expect(ask(zone, 'shop.svc.cluster.local')).toMatchObject({ rcode: RCODE.SERVFAIL });
  expect(ask(zone, 'www.example.org')).toEqual({ kind: 'forward' });
  zone.complete();
  expect(zone.generation).toBeGreaterThan(before);
  expect(ask(zone, 'db.shop.svc.cluster.local')).toMatchObject({ rcode: RCODE.NXDOMAIN });
  expect(ask(zone, 'shop.svc.cluster.local')).toMatchObject({ rcode: RCODE.NOERROR });
});
