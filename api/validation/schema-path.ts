/** Paths of fields within a schema: `.spec.replicas`, `.metadata.labels['a.b']`. Source: apiextensions, CEL field paths. */
import { additionalSchemaOf, type JsonSchema } from '../semantics/json-schema.ts';

export type FoundPath = { names: string[]; schema: JsonSchema } | { fault: string };

const END = 'unexpected end of JSON path';
const NO_FIELD = 'does not refer to a valid field';

/** Where a path leads, or why it leads nowhere. `brackets`: whether fields may be named in `['...']`. */
export function fieldAt(path: string, root: JsonSchema, brackets: boolean): FoundPath {
  const tokens = tokensOf(path);
  const names: string[] = [];
  let schema: JsonSchema | undefined = root;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    let name: string | undefined;
    if (token === '.') name = tokens[++at];
    else if (token !== '[') return { fault: `expected [ or . but got: ${token}` };
    else if (!brackets) return { fault: 'array notation is not allowed' };
    else {
      const quoted = tokens[++at];
      if (quoted !== undefined && !/^'.*'$/s.test(quoted))
        return { fault: `expected single quoted string but got ${quoted}` };
      const close = tokens[++at];
      if (close !== undefined && close !== ']') return { fault: `expected ] but got ${close}` };
      name = close && quoted?.slice(1, -1).replace(/\\(['\\])/g, '$1');
    }
    if (name === undefined) return { fault: END };
    names.push(name);
    schema = schema.properties ? own(schema.properties, name) : additionalSchemaOf(schema);
    if (!schema) return { fault: NO_FIELD };
  }
  return { names, schema };
}

function own(properties: Record<string, JsonSchema>, name: string): JsonSchema | undefined {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** Delimiters, quoted strings and the words between them. */
function tokensOf(path: string): string[] {
  return path.match(/[.[\]]|'(?:[^\\']|\\.)*'|[^.[\]']+|'/gs) ?? [];
}
