/** What a machine shall run from its start on. */
export interface Service {
  /** Path of the command `gantry`. */
  program: string;
  /** `up` or `join`, with their arguments. */
  args: readonly string[];
  /** File with variables, if any: `GANTRY_TOKEN=...`. */
  environmentFile?: string;
}

/**
 * A unit of systemd. Containers run on while it is restarted (KillMode=process), also when the kernel has killed a process beside the
 * service's own (OOMPolicy); it is told to be up once the API is served, or the node is at work. Source: systemd.service(5).
 */
export function unitText({ program, args, environmentFile }: Service): string {
  return `[Unit]
Description=Gantry container platform
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=all
${environmentFile ? `EnvironmentFile=-${environmentFile}\n` : ''}ExecStart=${[program, ...args].map(quote).join(' ')}
Restart=always
RestartSec=2
# 78: it cannot run as it is told to; somebody has to do something first.
RestartPreventExitStatus=78
TimeoutStartSec=5min
TimeoutStopSec=90
WatchdogSec=60
# Not SIGABRT: its memory would be written to where it works, which is /.
WatchdogSignal=SIGKILL
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd reads a word: without variables and specifiers of its own. */
function quote(word: string): string {
  const plain = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('$', '$$$$')
    .replaceAll('%', '%%');
  return /^[A-Za-z0-9_.,:/@=+-]+$/.test(word) ? word : `"${plain.replaceAll('\n', '\\n')}"`;
}

/** The words of what a unit of unitText runs. */
export function unitCommand(text: string): string[] {
  const line = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
  return (line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []).map((word) => {
    if (!word.startsWith('"')) return word;
    const plain = word.slice(1, -1).replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    return plain.replaceAll('$$', '$').replaceAll('%%', '%');
  });
}

/** A unit of unitText, with another program and the same arguments. */
export function unitWithProgram(text: string, program: string): string {
  const [, ...args] = unitCommand(text);
  const line = `ExecStart=${[program, ...args].map(quote).join(' ')}`;
  return text.replace(/^ExecStart=.*$/m, () => line);
}
