import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { whyNoKernel } from '#network/netlink/testing/namespaces.ts';

const skip = whyNoKernel();
const ROOT = join(import.meta.dirname, '../..');

/** A helper of its own in a network namespace of its own; node.ts is run inside. */
test.skipIf(skip)('the network works through the runtime helper', { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-net-'));
  try {
    execFileSync('make', ['-s', '-C', join(ROOT, 'runtime/helper'), `BIN=${directory}/bin`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const script = join(import.meta.dirname, 'node.ts');
    const child = spawn('unshare', ['--net', process.execPath, script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, output: output.trim() }).toEqual({
      code: 0,
      output: 'p1 10.244.0.2\n10.244.1.3 via 10.244.1.0 dev gtst001v src 10.244.0.1',
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
