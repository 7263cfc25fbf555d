import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KINDS } from '#api/kinds/index.ts';
import { openApiDocuments } from '#apiserver/openapi/documents.ts';
import { loadDescriptions, loadSchemas } from '#machinery/schema/load.ts';
import { generate } from './index.ts';
import { writeOpenApi } from './openapi.ts';

let folder: string;
const { schemas, descriptions } = generate();
const loaded = loadSchemas(JSON.stringify(schemas));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-openapi-'));
  writeFileSync(join(folder, 'schemas.json'), JSON.stringify(schemas));
  writeFileSync(join(folder, 'descriptions.json'), JSON.stringify(descriptions));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = (name: string) => {
  const path = join(folder, 'openapi', name);
  return existsSync(path) ? readFileSync(path) : undefined;
};

test('a server finds every document ready, and it is the one that would be made', () => {
  writeOpenApi(folder, writeFileSync);
  const found = openApiDocuments(
    KINDS,
    loaded,
    () => {
      throw new Error('a document was made though it is there');
    },
    read,
  );
  const made = openApiDocuments(KINDS, loaded, () => loadDescriptions(JSON.stringify(descriptions)));
  for (const format of ['json', 'protobuf'] as const)
    expect(Buffer.compare(found.v2(format), made.v2(format))).toBe(0);
  for (const path of Object.keys(made.v3()))
    expect(Buffer.compare(found.v3Document(path)!, made.v3Document(path)!)).toBe(0);
});

test('a server of other kinds makes its own, and documents of before are removed', () => {
  writeOpenApi(folder, writeFileSync);
  writeFileSync(join(folder, 'openapi', 'api_v1.0000000000000000'), 'of before');
  writeOpenApi(folder, writeFileSync);
  expect(readdirSync(join(folder, 'openapi'))).not.toContain('api_v1.0000000000000000');
  const fewer = KINDS.filter(({ plural }) => plural !== 'pods');
  const document = openApiDocuments(fewer, loaded, () => ({}), read).v2('json');
  expect(Buffer.from(document).toString()).not.toContain('/api/v1/namespaces/{namespace}/pods/{name}');
});
