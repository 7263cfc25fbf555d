import { readFileSync } from 'node:fs';
import type { Kind } from '#api/kind.ts';
import { KINDS } from '#api/kinds/index.ts';
import type { ApiObject } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import { connect } from './connection/connect.ts';
import { parseObjects, readSources, type SourceObject } from './documents.ts';
import { pathsOf } from './paths.ts';

/** Kinds that others need first: a namespace before what lives in it. */
const FIRST = [
  'Namespace',
  'CustomResourceDefinition',
  'PriorityClass',
  'ServiceAccount',
  'ConfigMap',
  'Secret',
];

export type ApplyOutcome = {
  name: string;
  result: 'created' | 'configured' | 'unchanged' | 'failed';
  message?: string;
};

/** `gantry apply -f`: makes the cluster hold these objects, by server-side apply. Exit code 1 when one failed. */
export async function apply(flags: {
  filename: string[];
  dataDir: string;
  output?: string;
}): Promise<number> {
  const objects = parseObjects(readSources(flags.filename, () => readFileSync(0, 'utf8')));
  if (objects.length === 0) throw new Error(`no objects in ${flags.filename.join(', ')}`);
  const { client, transport } = connect(pathsOf(flags.dataDir).adminKubeconfig);
  try {
    const outcomes: ApplyOutcome[] = [];
    for (const source of inOrder(objects)) {
      const outcome = await applyOne(client, source);
      outcomes.push(outcome);
      if (flags.output !== 'json') print(outcome);
    }
    if (flags.output === 'json') process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
    return outcomes.some((outcome) => outcome.result === 'failed') ? 1 : 0;
  } finally {
    transport.close();
  }
}

function inOrder(objects: readonly SourceObject[]): SourceObject[] {
  const rank = ({ object }: SourceObject) => {
    const index = FIRST.indexOf(String(object['kind']));
    return index < 0 ? FIRST.length : index;
  };
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

async function applyOne(client: Client, { object, where }: SourceObject): Promise<ApplyOutcome> {
  const { apiVersion, kind: kindName, metadata } = object as unknown as ApiObject;
  const kind = kindOf(apiVersion, kindName);
  const name = `${kind ? kind.singular : kindName.toLowerCase()}${kind?.group ? `.${kind.group}` : ''}/${metadata.name}`;
  if (!kind) {
    return {
      name,
      result: 'failed',
      message: `${where}: no kind ${kindName} in ${apiVersion}: is it spelled right?`,
    };
  }
  const ref = {
    name: metadata.name,
    namespace: kind.namespaced ? (metadata.namespace ?? 'default') : undefined,
  };
  try {
    const before = await client.get(kind, ref).catch((error: unknown) => {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    });
    const after = await client.patch(kind, ref, {
      type: 'apply',
      body: object,
      fieldManager: 'gantry',
      force: true,
    });
    const unchanged = before?.metadata.resourceVersion === after.metadata.resourceVersion;
    return { name, result: !before ? 'created' : unchanged ? 'unchanged' : 'configured' };
  } catch (error) {
    return { name, result: 'failed', message: `${where}: ${messageOf(error)}` };
  }
}

function kindOf(apiVersion: string, name: string): Kind | undefined {
  return (KINDS as readonly Kind[]).find(
    (kind) =>
      kind.kind === name && (kind.group ? `${kind.group}/${kind.version}` : kind.version) === apiVersion,
  );
}

function print({ name, result, message }: ApplyOutcome): void {
  if (message) process.stderr.write(`${message}\n`);
  else process.stdout.write(`${name} ${result}\n`);
}
