import type { Pod } from '#api/objects.ts';
import { messagesOf } from '../logs/cri.ts';
import { logPath, terminationLogPath } from '../paths.ts';
import type { PodContext } from './context.ts';
import { findContainer } from './view.ts';

/** Source: Kubernetes documentation, "Customizing the termination message". */
const MAX_MESSAGE = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/** The last words of a container: what it wrote to its termination log, or the end of its output if it asked for that. */
export async function terminationMessage(
  pod: Pod,
  name: string,
  attempt: number,
  exitCode: number,
  { files, paths }: Pick<PodContext, 'files' | 'paths'>,
): Promise<string> {
  const uid = pod.metadata.uid!;
  const written = await files.head(terminationLogPath(paths, uid, name, attempt), MAX_MESSAGE);
  const policy = findContainer(pod, name)?.container.terminationMessagePolicy;
  if (written !== '' || policy !== 'FallbackToLogsOnError' || exitCode === 0) return written;
  // CRI lines carry a time and a stream besides their text.
  const end = await files.tail(logPath(paths, pod, name, attempt), MAX_LOG_BYTES * 2);
  return messagesOf(end).slice(-MAX_LOG_LINES).join('').slice(-MAX_LOG_BYTES);
}
