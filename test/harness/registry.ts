import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recipe } from '#hack/images/recipes.ts';
import type { TestHost } from './host.ts';
import { eventually, mustRun, run } from './run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Debian's docker-registry on the loopback of a test host. */
export class HostRegistry {
  readonly address = '127.0.0.1:5000';
  readonly #host: TestHost;
  readonly #directory = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  #process: ChildProcess | undefined;

  constructor(host: TestHost) {
    this.#host = host;
  }

  async start(): Promise<void> {
    const config = {
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(this.#directory, 'data') } },
      http: { addr: this.address },
    };
    const file = join(this.#directory, 'config.yml');
    writeFileSync(file, JSON.stringify(config));
    const [command, args] = this.#host.inside('docker-registry', ['serve', file]);
    this.#process = spawn(command, args, { stdio: 'ignore' });
    await eventually('the registry answers', async () => {
      const ran = await run(...this.#host.inside('curl', ['-sf', `http://${this.address}/v2/`]));
      return ran.code === 0 || undefined;
    });
  }

  /** Pushes an image that hack/images can make. */
  async push(recipe: Recipe, repository: string, tag: string): Promise<string> {
    const script = `
      const { pushImage } = await import(${JSON.stringify(`${ROOT}hack/images/push.ts`)});
      console.log(await pushImage(${JSON.stringify(recipe)}, '${this.address}', '${repository}', '${tag}'));`;
    const [command, args] = this.#host.inside(process.execPath, ['--input-type=module', '-e', script]);
    return (await mustRun(command, args, { cwd: ROOT })).trim();
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
