/** The OpenAPI documents of the kinds that ship, made once at build time: making one stalls a server for 30 to 100 ms. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { KINDS } from '#api/kinds/index.ts';
import { openApiDocuments } from '#apiserver/openapi/documents.ts';
import { loadDescriptions, loadSchemas } from '#machinery/schema/load.ts';

/** Writes generated/openapi from the files in `generated`; documents of before go. */
export function writeOpenApi(generated: string, write: (path: string, data: Uint8Array) => void): void {
  const folder = join(generated, 'openapi');
  mkdirSync(folder, { recursive: true });
  const schemas = loadSchemas(readFileSync(join(generated, 'schemas.json')));
  const descriptions = loadDescriptions(readFileSync(join(generated, 'descriptions.json')));
  const wanted = new Set<string>();
  const documents = openApiDocuments(
    KINDS,
    schemas,
    () => descriptions,
    (name) => {
      wanted.add(name);
      return undefined;
    },
  );
  const made = [
    documents.v2('json'),
    documents.v2('protobuf'),
    ...Object.keys(documents.v3()).map((path) => documents.v3Document(path)!),
  ];
  for (const [i, name] of [...wanted].entries()) write(join(folder, name), made[i]!);
  for (const name of readdirSync(folder)) if (!wanted.has(name)) rmSync(join(folder, name), { force: true });
}
