/**
 * `$(NAME)` references in command, args, env values and subPathExpr. `$$(NAME)` is a literal `$(NAME)`; a reference to
 * nothing stays as it is. Source: Kubernetes API, Container.command.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const next = text[i + 1];
    if (text[i] !== '$' || next === undefined) {
      out += text[i];
    } else if (next === '$') {
      out += '$';
      i++;
    } else if (next === '(') {
      const end = text.indexOf(')', i + 2);
      if (end === -1) {
        out += '$(';
        i++;
      } else {
        out += lookup(text.slice(i + 2, end)) ?? text.slice(i, end + 1);
        i = end;
      }
    } else {
      out += text[i];
    }
  }
  return out;
}
