import { type ChildProcess, spawn } from 'node:child_process';
import type { TestCluster } from './cluster.ts';
import type { TestHost } from './host.ts';
import { Ledger } from './ledger.ts';

/** A bounded, steady load that says afterwards what went wrong. */
export interface Load<T> {
  stop(): Promise<T>;
}

/** Asks `url` from a host, one request after another, for at most so many seconds, with pauses in between; answers how many failed. */
export function requestLoad(
  { host }: { host: TestHost },
  url: string,
  { seconds = 60, pauseSeconds = 0 }: { seconds?: number; pauseSeconds?: number } = {},
): Load<{ answered: number; failed: number }> {
  const script = `
    end=$(( $(date +%s) + ${seconds} )); ok=0; bad=0
    trap 'echo $ok $bad; exit 0' TERM
    while [ $(date +%s) -lt $end ]; do
      if curl -sf -m 2 -o /dev/null ${url}; then ok=$((ok+1)); else bad=$((bad+1)); fi
      sleep ${pauseSeconds}
    done
    echo $ok $bad`;
  const [command, args] = host.inside('sh', ['-c', script]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = outputOf(child);
  return {
    async stop() {
      child.kill('SIGTERM');
      const [answered, failed] = (await output).trim().split(' ').map(Number);
      return { answered: answered!, failed: failed! };
    },
  };
}

/** Runs kubectl against one of the servers. */
type Kubectl = TestCluster['kubectl'];

/** Creates ConfigMaps by whichever server answers, and remembers which were acknowledged, and how long none was. */
export function failoverWriteLoad(
  servers: readonly Kubectl[],
  prefix: string,
  pauseMs = 0,
): Load<{ ledger: Ledger; longestMs: number }> & { ledger: Ledger } {
  const ledger = new Ledger();
  let longestMs = 0;
  let stopped = false;
  const work = (async () => {
    for (let i = 0, last = performance.now(); !stopped; i++) {
      const name = `${prefix}-${i}`;
      const args = ['create', 'configmap', name, `--from-literal=n=${i}`, '--request-timeout=3s'];
      for (const kubectl of servers) {
        const { code, stderr } = await kubectl(args, { timeoutMs: 10_000 });
        if (code !== 0 && !stderr.includes('already exists')) continue;
        ledger.acknowledge(name, i);
        longestMs = Math.max(longestMs, performance.now() - last);
        last = performance.now();
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    ledger,
    async stop() {
      stopped = true;
      await work;
      return { ledger, longestMs };
    },
  };
}

/** Creates ConfigMaps as fast as one kubectl after another can, and remembers which were acknowledged. */
export function writeLoad(cluster: TestCluster, prefix: string): Load<Ledger> & { ledger: Ledger } {
  const ledger = new Ledger();
  let stopped = false;
  const work = (async () => {
    for (let i = 0; i < 300 && !stopped; i++) {
      const name = `${prefix}-${i}`;
      const { code } = await cluster.kubectl(['create', 'configmap', name, `--from-literal=n=${i}`], {
        timeoutMs: 10_000,
      });
      if (code === 0) ledger.acknowledge(name, i);
    }
  })();
  return {
    ledger,
    async stop() {
      stopped = true;
      await work;
      return ledger;
    },
  };
}

function outputOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    child.on('close', () => resolve(text));
  });
}
