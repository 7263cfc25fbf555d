import { expect, test } from 'vitest';
import { ruleOf } from '../conformance.ts';
import type { Placed } from './elements.ts';
import { MAX_TRANSACTION_ELEMENTS, reconcile, ServiceState, transactions } from './plan.ts';

const endpoint = (at: number, local = false) => ({ address: `10.244.0.${at}`, port: 8080, local });
const counts = (placed: readonly Placed[]) => placed.map(({ set }) => set).sort();

test('a new service is one group: its chain, its way in, its endpoints', () => {
  const state = new ServiceState('ip');
  const [group] = state.update([ruleOf('shop/web', '10.96.0.7', [endpoint(2, true), endpoint(3)])]);
  expect(group?.chains).toEqual(['n2']);
  expect(counts(group!.add)).toEqual(['endpoints', 'endpoints', 'hairpin', 'services']);
  expect(group?.remove).toEqual([]);
});

test('the same rules again, made anew or not, change nothing', () => {
  const state = new ServiceState('ip');
  const rules = [ruleOf('shop/web', '10.96.0.7', [endpoint(2)])];
  state.update(rules);
  expect(state.update(rules)).toEqual([]);
  expect(state.update(structuredClone(rules))).toEqual([]);
});

test('one endpoint less changes the way in and removes the last place only', () => {
  const state = new ServiceState('ip');
  state.update([ruleOf('shop/web', '10.96.0.7', [endpoint(2), endpoint(3)])]);
  const [group] = state.update([ruleOf('shop/web', '10.96.0.7', [endpoint(2)])]);
  expect(counts(group!.remove)).toEqual(['endpoints', 'services']);
  expect(counts(group!.add)).toEqual(['services']);
});

test('without endpoints it is in the set of those that refuse', () => {
  const state = new ServiceState('ip');
  const [group] = state.update([ruleOf('shop/web', '10.96.0.7', [])]);
  expect(counts(group!.add)).toEqual(['no-endpoints']);
});

test('the address of the DNS server is never translated', () => {
  const state = new ServiceState('ip', '10.96.0.10');
  expect(state.update([ruleOf('kube-system/dns', '10.96.0.10', [endpoint(2)])])).toEqual([]);
});

test('IPv6 addresses are for the other table', () => {
  const rule = ruleOf('shop/web', 'fd00::7', [{ address: 'fd00::2', port: 80, local: false }]);
  expect(new ServiceState('ip').update([rule])).toEqual([]);
  expect(counts(new ServiceState('ip6').update([rule])[0]!.add)).toEqual(['endpoints', 'services']);
});

test('of two services with one address the first by name has it, and the other takes over when it goes', () => {
  const state = new ServiceState('ip');
  const [a, b] = [
    ruleOf('a', '192.0.2.1', [endpoint(2)]),
    ruleOf('b', '192.0.2.1', [endpoint(3), endpoint(4)]),
  ];
  // In one transaction: what the second replaces was never in the kernel and must not be deleted there.
  const [commands] = [...transactions(state.update([b, a]), 'ip')];
  expect(commands?.filter(({ op }) => op === 'delete-elements')).toEqual([]);
  state.update([b]);
  const wanted = [...state.elements()];
  expect(wanted.find(({ set }) => set === 'services')?.element.data).toEqual({
    verdict: 'goto',
    chain: 'n2',
  });
  expect(wanted).toHaveLength(3);
});

test('a shared element stays until its last service goes', () => {
  const state = new ServiceState('ip');
  const [a, b] = [
    ruleOf('a', '10.96.0.1', [endpoint(2, true)]),
    ruleOf('b', '10.96.0.2', [endpoint(2, true)]),
  ];
  state.update([a, b]);
  expect(counts(state.update([b])[0]!.remove)).toEqual(['endpoints', 'services']);
  expect(counts(state.update([])[0]!.remove)).toEqual(['endpoints', 'hairpin', 'services']);
  expect([...state.elements()]).toEqual([]);
});

test('many changes are cut into transactions of bounded size, none through a service', () => {
  const state = new ServiceState('ip');
  const rules = Array.from({ length: 600 }, (_, at) =>
    ruleOf(
      `s${at}`,
      `10.96.${at >> 8}.${at & 255}`,
      [2, 3, 4, 5, 6, 7, 8, 9].map((each) => endpoint(each)),
    ),
  );
  const sizes = [...transactions(state.update(rules), 'ip')].map((commands) =>
    commands.reduce((sum, command) => sum + ('elements' in command ? command.elements.length : 0), 0),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(600 * 9);
  for (const size of sizes) {
    expect(size).toBeLessThanOrEqual(MAX_TRANSACTION_ELEMENTS);
    expect(size % 9).toBe(0);
  }
});

test('reconciling adds what is missing, replaces what differs and removes what nobody wants', () => {
  const state = new ServiceState('ip');
  state.update([ruleOf('shop/web', '10.96.0.7', [endpoint(2), endpoint(3)])]);
  const wanted = [...state.elements()];
  const actual = new Map(wanted.map((placed) => [placed.id, placed]));
  expect(reconcile(actual, wanted, new Set())).toEqual([]);
  const [first, second] = wanted as [Placed, Placed];
  actual.delete(first.id);
  actual.set(second.id, { ...second, element: { ...second.element, data: Buffer.from('12345678') } });
  const stray: Placed = { id: 'hairpin x', set: 'hairpin', element: { key: Buffer.alloc(8) } };
  actual.set(stray.id, stray);
  const groups = reconcile(actual, wanted, new Set(['n2']));
  expect(groups.map(({ remove, add }) => [remove.length, add.length])).toEqual([
    [0, 1],
    [1, 1],
    [1, 0],
  ]);
});
