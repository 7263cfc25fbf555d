import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unitCommand, unitText } from './unit.ts';

const line = (text: string, name: string) => text.split('\n').find((one) => one.startsWith(`${name}=`));

test('a unit runs the command as it was given, whatever is in it', () => {
  const text = unitText({
    program: '/usr/local/bin/gantry',
    args: ['join', 'https://10.0.0.1:6443', '--data-dir', '/var/my data', '--node-name', '$a%b"c\\'],
  });
  expect(line(text, 'ExecStart')).toBe(
    'ExecStart=/usr/local/bin/gantry join https://10.0.0.1:6443 --data-dir "/var/my data" --node-name "$$a%%b\\"c\\\\"',
  );
  expect(text).not.toContain('EnvironmentFile');
  expect(unitCommand(text)).toEqual([
    ...['/usr/local/bin/gantry', 'join', 'https://10.0.0.1:6443', '--data-dir', '/var/my data'],
    ...['--node-name', '$a%b"c\\'],
  ]);
});

test('a unit may have its token in a file', () => {
  const text = unitText({ program: '/bin/gantry', args: ['up'], environmentFile: '/etc/gantry/token' });
  expect(line(text, 'EnvironmentFile')).toBe('EnvironmentFile=-/etc/gantry/token');
});

function whyNoSystemd(): string | undefined {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs systemd-analyze';
  }
}

const reason = whyNoSystemd();
test.skipIf(reason !== undefined)(`systemd finds no fault in it (${reason ?? 'here'})`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-unit-'));
  try {
    const path = join(directory, 'gantry.service');
    writeFileSync(path, unitText({ program: '/bin/true', args: ['up', '--node-name', 'a b'] }));
    const said = execFileSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(said).toBe('');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
