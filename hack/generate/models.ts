/** What the models of @kubernetes/client-node tell about a type: descriptions and which fields are required. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Model {
  /** By JSON name; '' = of the type. */
  descriptions: Record<string, string>;
  /** By JSON name. */
  required: Map<string, boolean>;
}

/** `1.36`. Throws when the package no longer says it. */
export function packageApiVersion(models: string): string {
  const text = readFileSync(join(models, 'V1Pod.d.ts'), 'utf8');
  const found = /OpenAPI spec version: release-([0-9.]+)/.exec(text);
  if (!found) throw new Error('the models of @kubernetes/client-node do not tell their API version');
  return found[1]!;
}

/** undefined for types the package does not have. `short` is `apps/v1`. */
export function modelOf(models: string, short: string, type: string): Model | undefined {
  const [group, version] = short.split('/');
  const numbered = version![0]!.toUpperCase() + version!.slice(1);
  const prefix = group![0]!.toUpperCase() + group!.slice(1);
  // Names that several groups use carry the group in the package.
  const stem = [`${prefix}${numbered}${type}`, `${numbered}${type}`].find((name) =>
    existsSync(join(models, `${name}.d.ts`)),
  );
  if (!stem) return undefined;
  return readModel(
    readFileSync(join(models, `${stem}.d.ts`), 'utf8'),
    readFileSync(join(models, `${stem}.js`), 'utf8'),
  );
}

function readModel(types: string, code: string): Model {
  const model: Model = { descriptions: {}, required: new Map() };
  const jsonNames = new Map(
    [...code.matchAll(/"name": "(\S+)",\s+"baseName": "(\S+)"/g)].map(([, name, json]) => [name!, json!]),
  );
  const ofType = /\/\*\*\n((?:\* .*\n)+)\*\/\nexport declare class/.exec(types);
  if (ofType) model.descriptions[''] = clean(ofType[1]!.replace(/^\* /gm, ''));
  const fields = /(?: {4}\/\*\*\n((?: {4}\* .*\n)+) {4}\*\/\n)? {4}'(\S+?)'(\??):/g;
  for (const [, text, name, optional] of types.matchAll(fields)) {
    const json = jsonNames.get(name!) ?? name!;
    model.required.set(json, optional === '');
    if (text) model.descriptions[json] = clean(text.replace(/^ {4}\* /gm, ''));
  }
  return model;
}

/** The generator of the package escapes quotes for its language. */
function clean(text: string): string {
  return text
    .trim()
    .replace(/\\(['"\\`])/g, '$1')
    .replaceAll('*_/', '*/');
}
