import type { Container } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import { sleep } from '#machinery/clock.ts';
import type { ProcessStreams, Runtime } from '#runtime/contract.ts';
import type { HttpGet } from '../probes/http.ts';
import { httpTarget } from '../probes/target.ts';

export type Handler = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

export interface HandlerContext {
  sandbox: string;
  containerId: string;
  container: Container;
  podIP: string;
  runtime: Runtime;
  clock: Clock;
  httpGet: HttpGet;
}

/** Runs a postStart or preStop handler; rejects with what went wrong, in words. Source: Kubernetes API, LifecycleHandler. */
export async function runHandler(
  handler: Handler,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<void> {
  if (handler.exec) return runCommand(handler.exec.command ?? [], context, signal);
  if (handler.httpGet) {
    const answer = await context.httpGet(
      httpTarget(handler.httpGet, context.container, context.podIP),
      signal,
    );
    if (answer.status >= 400) throw new Error(`HTTP handler answered with status ${answer.status}`);
    return;
  }
  if (handler.sleep) await sleep(context.clock, handler.sleep.seconds * 1000, signal);
}

async function runCommand(
  args: string[],
  { runtime, sandbox, containerId }: HandlerContext,
  signal: AbortSignal,
) {
  const process = await runtime.exec(sandbox, containerId, { args, tty: false, stdin: false });
  const end = () => process.close();
  signal.addEventListener('abort', end, { once: true });
  try {
    const [output, exit] = await Promise.all([outputOf(process), process.exit]);
    if (exit.code !== 0) throw new Error(`command '${args.join(' ')}' exited with ${exit.code}: ${output}`);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/** Longer output is cut, but read to its end so that the process is not held up. */
const MAX_OUTPUT = 10 * 1024;

/** Standard output and error of a process, together: at most `limit` characters. */
export async function outputOf(
  process: Pick<ProcessStreams, 'stdout' | 'stderr'>,
  limit = MAX_OUTPUT,
): Promise<string> {
  let text = '';
  const read = async (stream: AsyncIterable<unknown>) => {
    for await (const chunk of stream) if (text.length < limit) text += String(chunk);
  };
  await Promise.all([read(process.stdout), read(process.stderr)]);
  return text.slice(0, limit);
}
