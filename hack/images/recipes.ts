/** An image as a list of layers, lowest first; a layer that two images name alike is the same bytes in both. */
export interface Recipe {
  /** `gantry/hello:1`. */
  name: string;
  layers: Layer[];
  config: {
    Entrypoint?: string[];
    Cmd?: string[];
    Env?: string[];
    User?: string;
    WorkingDir?: string;
    ExposedPorts?: Record<string, object>;
    StopSignal?: string;
  };
}

export type Layer =
  /** The static busybox with a link for each of its commands, and the files every root needs. */
  | { kind: 'busybox' }
  /** Debian packages with all they depend on, unpacked; no maintainer scripts are run. */
  | { kind: 'debian'; packages: string[] }
  /** One file that cannot be compressed, and is another one for each seed. */
  | { kind: 'noise'; path: string; bytes: number; seed: string }
  /** Files by path; `mode` of all of them. */
  | { kind: 'files'; files: Record<string, string>; mode: number };

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Answers every request with who it is, where it runs and what it was configured with. */
const HELLO = (version: string) => `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "Hello from $(hostname), version ${version}"
echo "greeting: \${GREETING:-none}"
echo "config:   $(cat /etc/hello/motd 2>/dev/null || echo none)"
echo "secret:   $([ -s /etc/hello-secret/token ] && echo mounted || echo none)"
echo "client:   $REMOTE_ADDR"
`;

const hello = (version: string): Recipe => ({
  name: `gantry/hello:${version}`,
  layers: [
    { kind: 'busybox' },
    {
      kind: 'files',
      mode: 0o755,
      files: {
        'www/cgi-bin/hello': HELLO(version),
        'www/index.html': `<!doctype html><title>hello</title><p>See <a href="/cgi-bin/hello">/cgi-bin/hello</a>\n`,
        'www/healthz': 'ok\n',
      },
    },
  ],
  config: {
    Cmd: ['httpd', '-f', '-p', '8080', '-h', '/www'],
    Env: [PATH],
    ExposedPorts: { '8080/tcp': {} },
    // busybox's httpd handles no signal, and the first process of a namespace gets none that it does not handle.
    StopSignal: 'SIGKILL',
  },
});

/** The hello image and so many layers of so many bytes that cannot be compressed, which no other image has. */
export function helloWithNoise(name: string, layers: number, bytes: number): Recipe {
  const noise = Array.from(
    { length: layers },
    (_, i): Layer => ({ kind: 'noise', path: `noise/${i}`, bytes, seed: `${name} ${i}` }),
  );
  const recipe = hello('1');
  return { ...recipe, name, layers: [...recipe.layers, ...noise] };
}

export const RECIPES: readonly Recipe[] = [
  { name: 'gantry/busybox:1', layers: [{ kind: 'busybox' }], config: { Cmd: ['sh'], Env: [PATH] } },
  hello('1'),
  hello('2'),
  {
    name: 'gantry/curl:1',
    layers: [{ kind: 'busybox' }, { kind: 'debian', packages: ['curl'] }],
    config: { Cmd: ['sh'], Env: [PATH] },
  },
  {
    // flock, which Debian's busybox has not.
    name: 'gantry/records:1',
    layers: [{ kind: 'busybox' }, { kind: 'debian', packages: ['util-linux'] }],
    config: { Cmd: ['sh'], Env: [PATH] },
  },
];
