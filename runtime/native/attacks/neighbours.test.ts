import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeFrame, OP } from '../protocol.ts';
import { StateDirectory } from '../state.ts';
import { monitorPidOf } from '../test-root.ts';
import { attacks, type Target } from './attack.ts';

/** Attacks by other users of the node, and by pods that share its network, on the runtime's own sockets and directories. */

const NOBODY = 65_534;

/** Runs `script` as a user without rights, with `input` as process.argv[1]; it says one line. */
async function asNobody(script: string, input: object): Promise<string> {
  const args = ['-e', `const input = JSON.parse(process.argv[1]); ${script}`, JSON.stringify(input)];
  const options = { uid: NOBODY, gid: NOBODY, cwd: '/', env: {}, timeout: 30_000 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return stdout.trim();
}

/** What listeners say to a greeting: `helper.sock answered`, `helper.sock closed`, or why nobody can be reached. */
const GREET = `
  const { connect } = require('node:net');
  const greet = (path) => new Promise((say) => {
    const socket = connect(path, () => socket.write(Buffer.from(input.hello, 'base64')));
    socket.on('data', () => { say('answered'); socket.destroy(); });
    socket.on('error', (error) => say(error.code === 'EPIPE' || error.code === 'ECONNRESET' ? 'closed' : error.code));
    socket.on('close', () => say('closed'));
  });
  Promise.all(input.sockets.map(greet)).then((said) => process.stdout.write([...new Set(said)].join(' ')));`;

async function greeted({ node }: Target): Promise<string> {
  const run = join(node.base, 'run');
  const sockets = (await readdir(run, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isSocket())
    .map((entry) => join(entry.parentPath, entry.name));
  if (sockets.length < 2) throw new Error('helper and monitor do not listen');
  const hello = Buffer.from(encodeFrame(OP.HELLO, 1)).toString('base64');
  return await asNobody(GREET, { sockets, hello });
}

/** Opens to everybody whatever of the test's is below `path`, without what is in it. */
async function open(path: string): Promise<void> {
  await chmod(path, 0o755);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await open(join(path, entry.name));
    if (entry.isSocket()) await chmod(join(path, entry.name), 0o666);
  }
}

const LIST = `
  const { readdirSync } = require('node:fs');
  const list = (path) => { try { readdirSync(path); return 'listed'; } catch (error) { return error.code; } };
  process.stdout.write([...new Set(input.directories.map(list))].join(' '));`;

/** Inodes of the sockets that a process holds. */
async function socketsOf(pid: number): Promise<string[]> {
  const directory = `/proc/${pid}/fd`;
  const links = (await readdir(directory)).map((fd) => readlink(join(directory, fd)).catch(() => ''));
  return (await Promise.all(links)).flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

attacks('neighbours', [
  {
    name: 'CVE-2020-15257: another user asks the helper and a monitor, where nothing keeps it from their sockets',
    defence: 'callers-of-own-user',
    async attempt(target) {
      await chmod(target.node.base, 0o755);
      await open(join(target.node.base, 'run'));
      return await greeted(target);
    },
    stopped: /^closed$/,
    succeeded: /^answered$/,
  },
  {
    name: 'CVE-2020-15257: a pod of the node’s network looks for sockets that have no file',
    async attempt({ node, runtime, defended }) {
      const pod = await node.sandbox(runtime, 'host', {
        namespaces: { network: 'node', pid: 'pod', ipc: 'pod' },
      });
      const monitor = await monitorPidOf(runtime, 'victim');
      const ours = [...(await socketsOf(node.helperPid)), ...(await socketsOf(monitor))];
      // What it would see of a runtime that had one: the test has.
      const careless = createServer().listen(`\0gantry-test-${process.pid}`);
      await once(careless, 'listening');
      try {
        if (!defended) ours.push(...(await socketsOf(process.pid)));
        const { output } = await node.run(runtime, pod, 'cat /proc/net/unix');
        const fields = output.split('\n').map((line) => line.trim().split(/\s+/));
        const found = fields.filter(
          ([, , , , , , inode, path]) => path?.[0] === '@' && ours.includes(inode!),
        );
        return `${ours.length > 2 ? 'listening' : 'nobody'}, found ${found.length}`;
      } finally {
        careless.close();
      }
    },
    stopped: /^listening, found 0$/,
    succeeded: /^listening, found [1-9]/,
  },
  {
    name: 'CVE-2024-25621: another user lists the directories of sandboxes and sockets, and asks who listens',
    without: ['callers-of-own-user'],
    async attempt(target) {
      const { base } = target.node;
      const directories = ['state', 'run', 'state/sandboxes'].map((name) => join(base, name));
      await chmod(base, 0o755);
      // As somebody may have made it before us.
      await open(join(base, 'state'));
      await new StateDirectory(join(base, 'state')).initialise();
      if (!target.defended) for (const name of ['state', 'run']) await open(join(base, name));
      return `${await asNobody(LIST, { directories })} ${await greeted(target)}`;
    },
    stopped: /^EACCES EACCES$/,
    succeeded: /^listed answered$/,
  },
]);
