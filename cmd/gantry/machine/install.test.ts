import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type InstallFlags, install, repointUnitOf, uninstallUnitOf } from './install.ts';

let unitDir: string;
const flags = (change: Partial<InstallFlags> = {}): InstallFlags => ({
  ...{ name: 'gantry-test-unit', unitDir, start: false },
  ...change,
});
const read = (name: string) => readFileSync(join(unitDir, name), 'utf8');

beforeEach(() => {
  unitDir = mkdtempSync(join(tmpdir(), 'gantry-install-'));
});
afterEach(() => rmSync(unitDir, { recursive: true, force: true }));

test.each([
  [['join', 'https://h:6443', '--token', 'abc', '--node-name', 'n1']],
  [['join', 'https://h:6443', '--token=abc', '--node-name', 'n1']],
])('a token stands in no unit, but in a file of root’s: %j', (command) => {
  expect(install(command, flags())).toBe(0);
  expect(read('gantry-test-unit.service')).toMatch(
    /^ExecStart=\S+\/bin\/gantry join https:\/\/h:6443 --node-name n1$/m,
  );
  expect(read('gantry-test-unit.service')).not.toContain('abc');
  expect(read('gantry-test-unit.env')).toBe('GANTRY_TOKEN=abc\n');
  expect(statSync(join(unitDir, 'gantry-test-unit.env')).mode & 0o777).toBe(0o600);
});

test('proxies stand there too, those of the environment and the one of the flag', () => {
  const environment = { https_proxy: 'http://p:1', NO_PROXY: '10.0.0.0/8,.example.com', HTTP_PROXY: '' };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  install(['join', 'https://h:6443', '--proxy', 'http://user:se$cret@p:2'], flags());
  vi.unstubAllEnvs();
  expect(read('gantry-test-unit.service')).toMatch(/^ExecStart=\S+\/bin\/gantry join https:\/\/h:6443$/m);
  expect(read('gantry-test-unit.env')).toBe(
    'HTTPS_PROXY=http://p:1\nNO_PROXY=10.0.0.0/8,.example.com\nGANTRY_PROXY="http://user:se\\$cret@p:2"\n',
  );
  expect(statSync(join(unitDir, 'gantry-test-unit.env')).mode & 0o777).toBe(0o600);
});

test('a server needs none; removing takes both away', () => {
  install(['up', '--data-dir', '/data'], flags());
  expect(existsSync(join(unitDir, 'gantry-test-unit.env'))).toBe(false);
  install([], flags({ remove: true }));
  expect(existsSync(join(unitDir, 'gantry-test-unit.service'))).toBe(false);
  expect(() => install([], flags({ remove: true }))).toThrow('does not exist');
});

test('the unit of an instance is taken away with it, and no other one', () => {
  install(['up', '--data-dir', '/my data'], flags());
  expect(uninstallUnitOf('/data', flags())).toBe(false);
  expect(uninstallUnitOf('/my data', flags())).toBe(true);
  expect(uninstallUnitOf('/my data', flags())).toBe(false);
  install(['join', 'https://h:6443'], flags());
  expect(uninstallUnitOf('/var/lib/gantry', flags())).toBe(true);
});

test.each([[[]], [['purge', '--yes']]])('what is not to be run for ever is refused: %j', (command) => {
  expect(() => install(command, flags())).toThrow('say what it shall run');
  expect(existsSync(join(unitDir, 'gantry-test-unit.service'))).toBe(false);
});

test('a unit gets another program, its arguments stay as they were', () => {
  const args = ['--token', 'abc', '--node-name', 'a b$c', '--data-dir', '/data'];
  install(['join', 'https://h:6443', ...args], flags());
  const before = read('gantry-test-unit.service');
  const named = { name: 'gantry-test-unit', unitDir };
  repointUnitOf('/data', '/opt/new one/bin/gantry', named);
  const after = read('gantry-test-unit.service');
  expect(after).toContain(
    'ExecStart="/opt/new one/bin/gantry" join https://h:6443 --node-name "a b$$c" --data-dir /data',
  );
  expect(after.replace(/^ExecStart.*$/m, '')).toBe(before.replace(/^ExecStart.*$/m, ''));
  // That of another instance is left alone, and none is no error.
  repointUnitOf('/other', '/opt/x/bin/gantry', named);
  repointUnitOf('/data', '/opt/x/bin/gantry', { ...named, name: 'gantry-none' });
  expect(read('gantry-test-unit.service')).toBe(after);
});
