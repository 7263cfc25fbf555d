import { expect, test } from 'vitest';
import type { MemberState } from '../managed-etcd/quorum.ts';
import { newestServer, type ServerFacts, type Surroundings, whyNotUpgrade } from './plan.ts';

const server = (name: string, version: string, architecture = 'x64'): ServerFacts => ({
  url: `https://${name}:6443`,
  answer: { version, architecture },
});
const away = (name: string): ServerFacts => ({ url: `https://${name}:6443`, answer: { fault: 'refused' } });
const member = (name: string, answers = true): MemberState => ({
  ...{ id: name, name, isLearner: false, peerUrls: [`https://${name}:2380`], clientUrls: [] },
  answer: answers ? ({} as NonNullable<MemberState['answer']>) : undefined,
});
const seen = (change: Partial<Surroundings>): Surroundings => ({
  ...{ role: 'server', nodeName: 'a', servers: [], nodes: [] },
  ...change,
});

test('servers go by one minor version, and one after the other', () => {
  const others = [server('b', '0.1.0'), server('c', '0.1.3')];
  expect(whyNotUpgrade('0.2.0', seen({ servers: others }))).toEqual([]);
  expect(whyNotUpgrade('0.3.0', seen({ servers: others }))).toEqual([
    expect.stringContaining('https://b:6443: this server is version 0.3.0'),
    expect.stringContaining('https://c:6443'),
  ]);
  expect(whyNotUpgrade('0.2.0', seen({ servers: [server('b', '0.2.0'), away('c')] }))).toEqual([
    expect.stringContaining('https://c:6443 does not answer (refused): one server at a time'),
  ]);
});

test('a server leaves no node behind, but those of servers’ own machines go with them', () => {
  const node = (name: string, version: string, onServer = false) => ({ name, version, onServer });
  const nodes = [node('n', 'v0.1.0'), node('b', 'v0.6.0', true)];
  expect(whyNotUpgrade('0.4.0', seen({ nodes }))).toEqual([]);
  expect(whyNotUpgrade('0.5.0', seen({ nodes }))).toEqual([
    expect.stringContaining('n: the node runs 0.1.0'),
  ]);
  expect(whyNotUpgrade('0.1.0', seen({ nodes: [node('n', 'v0.2.0')] }))).toEqual([
    expect.stringContaining('a node must not be newer than the server'),
  ]);
});

test('a member of etcd is stopped only while the others are enough', () => {
  const members = [member('a'), member('b'), member('c')];
  expect(whyNotUpgrade('0.2.0', seen({ members }))).toEqual([]);
  expect(whyNotUpgrade('0.2.0', seen({ members: [member('a'), member('b'), member('c', false)] }))).toEqual([
    'while a is stopped, 1 of 3 members of etcd would answer where 2 are needed: first bring back c at c:2380',
  ]);
  // One that does not run already is stopped without loss, and of one or two members all are needed.
  expect(whyNotUpgrade('0.2.0', seen({ members: [member('a', false), member('b'), member('c')] }))).toEqual(
    [],
  );
  expect(whyNotUpgrade('0.2.0', seen({ members: [member('a'), member('b')] }))).toEqual([]);
});

test('a node follows the servers, those that are away left aside', () => {
  const node = (servers: ServerFacts[]) => seen({ role: 'node', servers });
  expect(whyNotUpgrade('0.2.0', node([server('a', '0.2.0'), away('b')]))).toEqual([]);
  expect(whyNotUpgrade('0.2.0', node([server('a', '0.2.0'), server('b', '0.1.9')]))).toEqual([
    expect.stringContaining('https://b:6443: the node runs 0.2.0, the server 0.1.9'),
  ]);
  expect(whyNotUpgrade('0.1.0', node([server('a', '0.4.0')]))).toEqual([]);
  expect(whyNotUpgrade('0.1.0', node([server('a', '0.5.0')]))).toHaveLength(1);
});

test('programs are those of the newest server, for this kind of machine', () => {
  const servers = [server('a', '0.9.0'), server('b', '0.10.0'), server('c', '0.11.0', 'arm64'), away('d')];
  expect(newestServer(servers, 'x64')).toEqual({ url: 'https://b:6443', version: '0.10.0' });
  expect(newestServer([away('d')], 'x64')).toBeUndefined();
});
