/** Field selectors of lists and watches: `status.phase=Running,metadata.name!=a`. Source: k8s.io/apimachinery fields. */
import { SelectorError } from './selector.ts';

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/** All must hold; an empty list holds for everything. */
export type FieldSelector = readonly FieldRequirement[];

const MAX_LENGTH = 64 * 1024;

/** Parses `a=b,c==d,e!=f`; `\,`, `\=` and `\\` stand for the plain characters. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldSelector {
  if (text.length > MAX_LENGTH) throw new SelectorError('the field selector is longer than 64 KiB');
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const match = /^((?:[^=!\\]|\\.|!(?!=))*)(==|!=|=)(.*)$/s.exec(term);
    if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    requirements.push({
      field: match[1]!,
      operator: match[2] === '!=' ? '!=' : '=',
      value: unescapeValue(match[3]!, text),
    });
  }
  return requirements;
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(value: string, whole: string): string {
  return value.replace(/\\(.?)|[,=]/gs, (found, escaped: string | undefined) => {
    if (escaped === '\\' || escaped === ',' || escaped === '=') return escaped;
    throw new SelectorError(`invalid selector: '${whole}'; unescaped or unknown '${found}' in a value`);
  });
}

/** Whether every requirement holds. `fieldValue` gives the value of a field; fields it does not know are ''. */
export function matchesFieldSelector(
  selector: FieldSelector,
  fieldValue: (field: string) => string,
): boolean {
  for (const { field, operator, value } of selector)
    if ((fieldValue(field) === value) !== (operator === '=')) return false;
  return true;
}

/** The value a field must have exactly, when the selector asks for one: lets a lookup replace a scan. */
export function requiredFieldValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((requirement) => requirement.field === field && requirement.operator === '=')?.value;
}

/** The text form. */
export function formatFieldSelector(selector: FieldSelector): string {
  return selector
    .map(({ field, operator, value }) => `${field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`)
    .join(',');
}
