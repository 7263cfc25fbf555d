import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { ROTATION_PATH, type RotationLine } from '#apiserver/encryption/handler.ts';
import type { RotationResult } from '#apiserver/encryption/rotate.ts';
import { collect } from '#machinery/transport.ts';
import { connect } from '../connection/connect.ts';
import { pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';

export interface RotateFlags {
  dataDir: string;
  dropUnusedKeys?: boolean;
  output?: string;
}

/** `gantry secrets rotate`: asks the running server, and shows how far it is. */
export async function rotateSecrets(flags: RotateFlags): Promise<number> {
  const { transport } = connect(pathsOf(flags.dataDir).adminKubeconfig);
  const line = progressLine();
  try {
    const path = flags.dropUnusedKeys ? `${ROTATION_PATH}?dropUnusedKeys=true` : ROTATION_PATH;
    const { status, body } = await transport.request({ method: 'POST', path, headers: {} });
    if (status !== 200) {
      const { message } = JSON.parse(Buffer.from(await collect(body)).toString()) as { message: string };
      throw new Error(message);
    }
    const result = await follow(body, line.show);
    line.end();
    process.stdout.write(flags.output === 'json' ? `${JSON.stringify(result, null, 2)}\n` : text(result));
    return 0;
  } finally {
    line.end();
    transport.close();
  }
}

async function follow(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  show: (text: string) => void,
): Promise<RotationResult> {
  const input = Readable.from(body instanceof Uint8Array ? [body] : body);
  for await (const text of createInterface({ input })) {
    const line = JSON.parse(text) as RotationLine;
    if ('error' in line) throw new Error(`the rotation failed and can be run again: ${line.error}`);
    if ('result' in line) return line.result;
    const { pass, seen, rewritten } = line.progress;
    show(`pass ${pass}: ${seen} values seen, ${rewritten} rewritten`);
  }
  throw new Error('the server ended the rotation without a result: run it again');
}

function text({ rewritten, dataKey, unusedKeys, unusedKeysDropped }: RotationResult): string {
  const lines = [
    dataKey === null
      ? `nothing is encrypted any more; values rewritten: ${rewritten}`
      : `all is encrypted with the new key ${dataKey}; values rewritten: ${rewritten}`,
  ];
  if (unusedKeys.length > 0)
    lines.push(
      unusedKeysDropped
        ? `removed from the key file: ${unusedKeys.join(', ')}`
        : `only older backups need ${unusedKeys.join(', ')}: --drop-unused-keys removes them from the key file`,
    );
  return `${lines.join('\n')}\n`;
}
