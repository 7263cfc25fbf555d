import { pipeline } from 'node:stream/promises';
import type { Clock } from '#machinery/clock.ts';
import { messageOf, StatusError } from '#machinery/errors.ts';
import type { ExecStreams, ExecWants, ForwardedConnection, Upgrade } from '#machinery/streams/contract.ts';
import { acceptExec } from '#machinery/streams/exec.ts';
import { acceptPortForward } from '#machinery/streams/port-forward.ts';
import type { ProcessStreams, Runtime } from '#runtime/contract.ts';
import type { PodRoster } from '../pods/roster.ts';
import { findContainer } from '../pods/view.ts';
import { RequestFault } from './fault.ts';
import { containerNameOf, type RequestTarget, runningOf, workerOf } from './target.ts';

export interface StreamsContext {
  roster: Pick<PodRoster, 'find'>;
  runtime: Pick<Runtime, 'exec' | 'attach' | 'dial'>;
  clock: Clock;
}

type Serve = (context: StreamsContext, target: RequestTarget, upgrade: Upgrade) => Promise<void>;

/** What can be upgraded to. Each rejects with a RequestFault before it has answered; afterwards the client is told in band. */
export const UPGRADES: Readonly<Record<string, Serve>> = { exec, attach, portForward };

async function exec(context: StreamsContext, target: RequestTarget, upgrade: Upgrade): Promise<void> {
  const worker = workerOf(context.roster, target);
  const run = runningOf(worker, containerNameOf(worker, target));
  const wants = wantsOf(target.query);
  const args = target.query.getAll('command');
  if (args.length === 0) throw new RequestFault(400, 'you must specify at least 1 command');
  const streams = await acceptExec(upgrade, wants, context.clock);
  const spec = { args, tty: wants.tty, stdin: wants.stdin };
  await serveProcess(streams, () => context.runtime.exec(worker.uid, run.id, spec));
}

async function attach(context: StreamsContext, target: RequestTarget, upgrade: Upgrade): Promise<void> {
  const worker = workerOf(context.roster, target);
  const name = containerNameOf(worker, target);
  const run = runningOf(worker, name);
  const container = findContainer(worker.pod(), name)!.container;
  // The container decides whether there is a terminal and an input, not the client.
  const asked = wantsOf(target.query);
  const wants = { ...asked, tty: container.tty === true, stdin: asked.stdin && container.stdin === true };
  const streams = await acceptExec(upgrade, wants, context.clock);
  await serveProcess(streams, () => context.runtime.attach(worker.uid, run.id));
}

async function portForward(context: StreamsContext, target: RequestTarget, upgrade: Upgrade): Promise<void> {
  const worker = workerOf(context.roster, target);
  const ports = target.query.getAll('ports').flatMap((text) => text.split(',').map(Number));
  const forward = await acceptPortForward(
    upgrade,
    (connection) => connect(context, worker.uid, connection),
    ports,
  );
  await forward.closed;
}

function connect(context: StreamsContext, sandbox: string, connection: ForwardedConnection): void {
  const { port, data } = connection;
  context.runtime.dial(sandbox, port).then(
    (socket) => {
      const broken = (error: Error) => connection.fail(`error forwarding port ${port}: ${error.message}`);
      socket.on('error', broken);
      data.on('error', () => socket.destroy());
      data.pipe(socket).pipe(data);
    },
    (error) => connection.fail(`error forwarding port ${port} to pod: ${messageOf(error)}`),
  );
}

/** Joins a client and a process until the process ends; a client that leaves ends what it had started. */
async function serveProcess(streams: ExecStreams, start: () => Promise<ProcessStreams>): Promise<void> {
  let process: ProcessStreams;
  try {
    process = await start();
  } catch (error) {
    await streams.finish({ error: new StatusError('InternalError', messageOf(error)).status() });
    return;
  }
  const stopResizing = streams.onResize(({ width, height }) =>
    process.resize({ columns: width, rows: height }),
  );
  void streams.closed.then(() => process.close());
  if (streams.stdin && process.stdin) {
    // Either side may go first: a program that has read enough, or a client that hangs up.
    pipeline(streams.stdin, process.stdin).catch(() => streams.stdin?.resume());
  }
  const outputs = [
    streams.stdout ? pipeline(process.stdout, streams.stdout, { end: false }) : drained(process.stdout),
    streams.stderr ? pipeline(process.stderr, streams.stderr, { end: false }) : drained(process.stderr),
  ];
  const exit = await process.exit;
  // What it wrote last is delivered before its exit code; a client that is gone takes nothing.
  await Promise.race([Promise.allSettled(outputs), streams.closed]);
  stopResizing();
  await streams.finish({ exitCode: exit.code });
}

/** Output nobody wants is read all the same: a full pipe would hold the program. */
async function drained(output: ProcessStreams['stdout']): Promise<void> {
  output.on('error', () => {}); // the end of the process tells more
  output.resume();
}

function wantsOf(query: URLSearchParams): ExecWants {
  const is = (name: string) => /^(true|1)$/.test(query.get(name) ?? '');
  const wants = { stdin: is('stdin'), stdout: is('stdout'), stderr: is('stderr'), tty: is('tty') };
  if (!wants.stdin && !wants.stdout && !wants.stderr) {
    throw new RequestFault(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return wants;
}
