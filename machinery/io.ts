/**
 * Files as a value that is passed in: parts that keep state on disk (agent checkpoints, logs, image store) take `Files`,
 * so that tests can fail any step and the simulator needs no disk.
 */
export interface FileStat {
  sizeBytes: number;
  modifiedMs: number;
  isDirectory: boolean;
}

export interface Files {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Replaces the file in one step: a reader or a crash sees the old or the new whole. Durable when it resolves. */
  write(path: string, data: Uint8Array | string, mode?: number): Promise<void>;
  /** Makes the directory and its parents; harmless when it exists. */
  mkdir(path: string, mode?: number): Promise<void>;
  /** Removes a file or a whole directory; harmless when it is gone. Never follows links out of it. */
  remove(path: string): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  rename(from: string, to: string): Promise<void>;
}
