import { writeSync } from 'node:fs';
import { systemClock } from '#machinery/clock.ts';
import { NativeRuntime } from '#runtime/native/index.ts';
import { livePod, watchSteps } from '#runtime/native/kill-steps.ts';

/**
 * An agent that makes and removes one pod, and kills itself at one of the steps (runtime/native/kills.test.ts). Usage: killed-agent.ts JSON
 * { target, options, sandbox, container }; ends with 0 when it had fewer steps.
 */
const { target, options, sandbox, container } = JSON.parse(process.argv[2]!);
// Neither the runtime's idle connections nor its timers keep a program running.
const hold = setInterval(() => {}, 1000);
const runtime = await NativeRuntime.open({ clock: systemClock, ...options });
let steps = 0;
watchSteps((step) => {
  // To the agent the end of one step is the begin of the next.
  if (step.startsWith('after') || steps++ !== target) return;
  writeSync(1, step);
  process.kill(process.pid, 'SIGKILL');
});
await livePod(runtime, sandbox, container, (error) => {
  throw error;
});
await runtime.close();
clearInterval(hold);
