import { text } from 'node:stream/consumers';
import { sleep, systemClock } from '#machinery/clock.ts';
import type { Runtime } from '#runtime/contract.ts';
import { attacks } from '#runtime/native/attacks/attack.ts';
import { type ProbeIo, tryProbe } from './try.ts';

/** Attacks on the agent by what a container's own programs answer to a probe. */

const FLOOD = 'while :; do echo flood; done';
/** How often it is looked whether a command is over, and how long between. */
const LOOKS = 20;
const LOOK_MS = 100;

/** A runtime of which nobody tells a command that no one listens to it any more. */
function deaf(runtime: Runtime): Pick<Runtime, 'exec'> {
  return {
    exec: async (...what) => {
      const process = await runtime.exec(...what);
      process.close = () => {};
      return process;
    },
  };
}

attacks('probes', [
  {
    name: 'CVE-2022-31030: a command of a probe that writes without an end',
    async attempt({ node, runtime, pod, defended }) {
      await runtime.startContainer(pod, await node.spec('main.0', 'sleep 600'));
      const io = { runtime: defended ? runtime : deaf(runtime), clock: systemClock } as ProbeIo;
      const target = { sandbox: pod, containerId: 'main.0', container: { name: 'main' }, podIP: '' };
      const probe = { exec: { command: ['sh', '-c', FLOOD] }, timeoutSeconds: 1 };
      const { message } = await tryProbe(probe, target, io, new AbortController().signal);
      if (!message.includes('timed out after 1s')) return message;
      for (let look = 0; look < LOOKS; look++) {
        const looking = { args: ['ps', '-o', 'args'], tty: false, stdin: false };
        const { stdout } = await runtime.exec(pod, 'main.0', looking);
        if (!(await text(stdout)).includes(FLOOD)) return 'is over';
        await sleep(systemClock, LOOK_MS);
      }
      return 'writes on';
    },
    stopped: 'is over',
    succeeded: 'writes on',
  },
]);
