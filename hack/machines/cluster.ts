import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { VirtualLab } from '#test/harness/virtual-lab.ts';

/** A laptop's memory. */
const MOST = 8;

/** The number of machines in the arguments of `hack/vms N [-- COMMAND...]`; undefined: it is another command. */
export function countOf(args: readonly string[]): number | undefined {
  const count = Number(args[0]);
  return /^\d+$/.test(args[0] ?? '') && count >= 1 && count <= MOST ? count : undefined;
}

/**
 * Makes a cluster with that many virtual machines, and runs the command beside its server, or waits for SIGINT or SIGTERM; then removes
 * everything. Gives the exit code of the command.
 */
export async function runCluster(count: number, command: readonly string[]): Promise<number> {
  const lab = new VirtualLab();
  const stop = new AbortController();
  const stopped = once(stop.signal, 'abort');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  let last = performance.now();
  const done = (what: string) => {
    const now = performance.now();
    console.error(`  ${what.padEnd(44)} ${((now - last) / 1000).toFixed(1).padStart(6)} s`);
    last = now;
  };
  const started = lab.start(count, done, stop.signal);
  try {
    await Promise.race([started, stopped]);
    if (stop.signal.aborted) return 130;
    if (command.length > 0) return await runBeside(lab, command);
    const [program, args] = lab.cluster.host.inside('kubectl', ['--kubeconfig', lab.cluster.kubeconfig]);
    console.log(`consoles: ${lab.machines.map(({ consoleLog }) => consoleLog).join(' ')}`);
    console.log(`kubectl:  ${[program, ...args].join(' ')} get nodes -o wide`);
    console.log('until Ctrl-C');
    await stopped;
    return 0;
  } finally {
    // Who waits for a machine that is off gives up: nothing is made beside what is removed.
    await Promise.all(lab.machines.map((machine) => machine.stop()));
    await started.catch(() => undefined);
    for (const left of await lab.destroy()) console.error(`left behind: ${left}`);
    done('all removed');
  }
}

async function runBeside(lab: VirtualLab, [program, ...args]: readonly string[]): Promise<number> {
  const [first, all] = lab.cluster.host.inside(program!, args);
  const env = { ...process.env, KUBECONFIG: lab.cluster.kubeconfig };
  const child = spawn(first, all, { stdio: 'inherit', env });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 128;
}
