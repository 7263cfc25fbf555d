/** A text that is no JSON, in the words of Go's encoding/json: what Kubernetes says of it. */

const PLACES: readonly [RegExp, string][] = [
  [/^Expected (?:property name|double-quoted property name)/, 'looking for beginning of object key string'],
  [/^Expected ':'/, 'after object key'],
  [/^Expected ',' or '}'/, 'after object key:value pair'],
  [/^Expected ',' or '\]'/, 'after array element'],
  [/^Unexpected non-whitespace character after JSON/, 'after top-level value'],
  [/^Bad control character/, 'in string literal'],
  [/^Bad escaped character/, 'in string escape code'],
  [/^Unexpected token/, 'looking for beginning of value'],
];

const END = 'unexpected end of JSON input';

/** `error` is what JSON.parse said of `text`; its own words where Go has others that it does not tell apart. */
export function jsonFault(text: string, { message }: SyntaxError): string {
  if (message.startsWith('Unexpected end') || message.startsWith('Unterminated string')) return END;
  const place = PLACES.find(([pattern]) => pattern.test(message))?.[1];
  const at = / at position (\d+)/.exec(message)?.[1];
  if (at !== undefined && Number(at) >= text.length) return END;
  const found = at === undefined ? /^Unexpected token '(.+?)', /su.exec(message)?.[1] : text[Number(at)];
  if (place === undefined || found === undefined) return message;
  return `invalid character ${quoted(found)} ${place}`;
}

function quoted(character: string): string {
  if (character === "'") return String.raw`'\''`;
  return character === '"' ? `'"'` : `'${JSON.stringify(character).slice(1, -1)}'`;
}
