import { readFile } from 'node:fs/promises';

/** One mount of this mount namespace. */
export interface MountInfo {
  target: string;
  /** Of the file system: `cgroup2`. */
  type: string;
  /** Of the file system's superblock: with cgroup v1 they name its controllers. */
  options: string[];
  shared: boolean;
  slave: boolean;
}

/** The text of /proc/self/mountinfo, for parseMountInfo. */
export function readMountInfo(): Promise<string> {
  return readFile('/proc/self/mountinfo', 'utf8');
}

/** In the order of mounting. Source: proc_pid_mountinfo(5). */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split('\n').flatMap((line) => {
    const [mount, rest] = line.split(' - ');
    if (!rest) return [];
    const [, , , , target, , ...tags] = mount!.split(' ');
    const [type, , options = ''] = rest.split(' ');
    return [
      {
        target: unescaped(target!),
        type: type!,
        options: options.split(','),
        shared: tags.some((tag) => tag.startsWith('shared:')),
        slave: tags.some((tag) => tag.startsWith('master:')),
      },
    ];
  });
}

/** Space, tab, newline and backslash are octal. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
