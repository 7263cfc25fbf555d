import { readFile, rename } from 'node:fs/promises';
import { describe } from 'vitest';
import { containerSpec, eventually, runtimeConformance } from '../conformance.ts';
import { TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`native runtime (${reason ?? 'as root'})`, () => {
  runtimeConformance('native', async () => {
    const node = await TestNode.make();
    return {
      open: () => node.open(),
      root: () => node.root(),
      logDirectory: node.logDirectory,
      readLog: (path) => readFile(path, 'utf8'),
      moveLog: rename,
      killMonitor: async (runtime, sandbox) => {
        const state = (await runtime.list()).find((candidate) => candidate.id === sandbox);
        process.kill(Number(/^\/proc\/(\d+)\//.exec(state!.networkNamespace)![1]), 'SIGKILL');
      },
      serveEcho: async (runtime, sandbox, port) => {
        const args = ['nc', '-ll', '-p', String(port), '-e', 'cat'];
        const container = containerSpec('echo.0', await node.root(), `${node.logDirectory}/echo.log`, args);
        const { pid } = await runtime.startContainer(sandbox, container);
        const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0:]+ 0A `);
        await eventually('nc listens', async () => {
          const sockets = await Promise.all(
            ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
          );
          return sockets.some((text) => listening.test(text));
        });
      },
      close: () => node.close(),
    };
  });
});
