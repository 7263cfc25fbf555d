/**
 * Regular expressions in the language of Go, as the schemas of custom resources have them. It is put into words of
 * JavaScript, which judges them, but for what only JavaScript knows. Source: Go's regexp/syntax.
 */

/** Escapes and classes, in which nothing is special; groups with flags or of JavaScript's own; names of groups. */
const PARTS = /\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\(\?(?:[imsU-]*:|[imsU-]+\)|P<|<?[=!])/gs;

/** Why `pattern` is no regular expression, in the words of Go. */
export function patternFault(pattern: string): string | undefined {
  for (const { 0: part, index } of pattern.matchAll(PARTS)) {
    const fault = foreignFault(part, pattern.slice(index));
    if (fault !== undefined) return `error parsing regexp: ${fault}`;
  }
  const source = pattern.replace(PARTS, translated);
  try {
    new RegExp(source);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `error parsing regexp: ${error.message}`;
  }
}

/** Go looks neither ahead nor behind nor back. */
function foreignFault(part: string, rest: string): string | undefined {
  if (/^\\[1-9]/.test(part)) return `invalid escape sequence: \`${part}\``;
  if (part === '(?=' || part === '(?!') return `invalid or unsupported Perl syntax: \`${part}\``;
  const named = part === '(?<=' || part === '(?<!';
  return named ? `invalid named capture: \`${/^[^>]*>?/.exec(rest)![0]}\`` : undefined;
}

/** Flags change what is matched, not whether it can be read. */
function translated(part: string): string {
  if (part === '(?P<') return '(?<';
  if (!part.startsWith('(?')) return part;
  return part.endsWith(':') ? '(?:' : '';
}
