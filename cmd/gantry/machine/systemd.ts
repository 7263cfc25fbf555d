import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** There when systemd is the machine's first program. Source: sd_booted(3). */
const BOOTED = '/run/systemd/system';
const ANSWER_MS = 5_000;

export function systemdRunsHere(): boolean {
  return existsSync(BOOTED);
}

/** Whether the machine is on its way down, rather than this program alone. Source: systemctl(1), is-system-running. */
export async function machineGoesDown(ask: () => Promise<string> = systemState): Promise<boolean> {
  return (await ask()).trim() === 'stopping';
}

/** Empty when there is no systemd, or none that answers. */
function systemState(): Promise<string> {
  if (!systemdRunsHere()) return Promise.resolve('');
  return new Promise((resolve) => {
    // Its exit code is not 0 for most states.
    execFile('systemctl', ['is-system-running'], { timeout: ANSWER_MS }, (_, stdout) => resolve(stdout));
  });
}
