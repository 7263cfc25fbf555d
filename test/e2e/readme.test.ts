import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The commands under "Use it", as the README has them; only the data directory is the test's own. */
function commands(directory: string): string[] {
  const text = readFileSync(`${ROOT}README.md`, 'utf8');
  const block = /## Use it\n\n```sh\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  return block
    .trim()
    .split('\n')
    .map((line) => line.replace('/var/lib/gantry', directory).replace('exec -it', 'exec -i'))
    .map((line) => (line.startsWith('bin/gantry') ? `${line} --data-dir ${directory}` : line));
}

describe.skipIf(whyNoHost())('README.md', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/hello:1', 'gantry/hello:2', 'gantry/curl:1']);
    await cluster.must(['apply', '-f', `${ROOT}manifests/examples/hello.yaml`]);
    await cluster.must(['-n', 'hello', 'wait', '--for=condition=Ready', 'pod/lister', '--timeout=60s']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  test('has commands', () => {
    expect(commands(cluster.directory).length).toBeGreaterThan(5);
  });

  test.each(commands('DIRECTORY'))('%s', async (command) => {
    const line = command.replaceAll('DIRECTORY', cluster.directory);
    const script = `kubectl() { ${cluster.kubectlBinary} "$@"; }\ncd ${ROOT}\n${line}`;
    const { code, stderr } = await cluster.inside('sh', ['-c', script]);
    expect(`${code} ${stderr}`).toMatch(/^0 /);
  });
});
