/**
 * Label selectors: the text form of queries (`a=b,c!=d,e in (x,y),!f`) and the metav1.LabelSelector of objects. Both
 * become a list of requirements, all of which must hold.
 * Source: Kubernetes documentation, "Labels and Selectors"; k8s.io/apimachinery labels.Parse.
 */

export type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface Requirement {
  key: string;
  operator: Operator;
  /** One for = != > <, some for in and notin, none for the others. */
  values: string[];
}

/** All must hold; an empty list holds for everything. */
export type Selector = readonly Requirement[];

export type Labels = Readonly<Record<string, string>>;

/** metav1.LabelSelector, loosely: what a client may have sent. */
export interface LabelSelectorLike {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** A selector that cannot be read or breaks a rule. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

/** Longer selectors are refused: matching is linear in their length for every object. */
const MAX_SELECTOR_LENGTH = 64 * 1024;

/** Parses `a=b,a==b,c!=d,e in (x,y),f notin (z),g,!h,i>1,j<2`. Throws SelectorError. */
export function parseSelector(text: string): Selector {
  if (text.length > MAX_SELECTOR_LENGTH) throw new SelectorError('the selector is longer than 64 KiB');
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  let at = 0;
  const next = () => tokens[at++] ?? '';
  const fail = (found: string, expected: string): never => {
    throw new SelectorError(`unable to parse requirement: found '${found}', expected: ${expected}`);
  };
  const isWord = (token: string) => token !== '' && !/^[=!<>(),]/.test(token);

  const values = (): string[] => {
    const open = next();
    if (open !== '(') fail(open, "'('");
    const found = new Set<string>();
    if (tokens[at] === ')') found.add('');
    for (;;) {
      const token = next();
      if (isWord(token)) found.add(token);
      else if (token === ',') {
        // `in (a,,b)` and `in (,a)` mean the empty value.
        if (tokens[at] === ',' || tokens[at] === ')' || tokens[at - 2] === '(') found.add('');
      } else if (token === ')') return [...found].sort();
      else fail(token, "',', ')' or identifier");
    }
  };

  const requirement = (): Requirement => {
    const first = next();
    const key = first === '!' ? next() : first;
    if (!isWord(key)) fail(key, first === '!' ? 'identifier' : '!, identifier, or end of string');
    checkKey(key);
    const follows = tokens[at] ?? '';
    if (first === '!' || follows === ',' || follows === '')
      return { key, operator: first === '!' ? '!' : 'exists', values: [] };
    at++;
    if (follows === 'in' || follows === 'notin') return { key, operator: follows, values: values() };
    const operator = follows === '==' ? '=' : follows;
    if (operator !== '=' && operator !== '!=' && operator !== '>' && operator !== '<')
      return fail(follows, 'in, notin, =, ==, !=, gt, lt');
    return { key, operator, values: [isWord(tokens[at] ?? '') ? next() : ''] };
  };

  while (at < tokens.length) {
    requirements.push(checkRequirement(requirement()));
    if (at >= tokens.length) break;
    const comma = next();
    if (comma !== ',') fail(comma, "',' or 'end of string'");
    if (at >= tokens.length) fail('', "identifier after ','");
  }
  return sortByKey(requirements);
}

function tokenize(text: string): string[] {
  return text.match(/==|!=|[=!<>(),]|[^\s=!<>(),]+/g) ?? [];
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Why `key` is no label key, in the words of Kubernetes; undefined when it is one. */
function labelKeyFault(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.length > 2)
    return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  const name = parts.at(-1)!;
  if (parts.length === 2) {
    const prefix = parts[0]!;
    if (prefix === '') return 'prefix part must be non-empty';
    if (prefix.length > 253) return 'prefix part must be no more than 253 characters';
    if (!DNS_SUBDOMAIN.test(prefix))
      return `prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`;
  }
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return 'name part must be no more than 63 characters';
  if (!NAME.test(name))
    return `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
  return undefined;
}

/** Why `value` is no label value, in the words of Kubernetes; undefined when it is one. */
function labelValueFault(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 characters';
  if (value !== '' && !NAME.test(value))
    return `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`;
  return undefined;
}

function checkKey(key: string): void {
  const fault = labelKeyFault(key);
  if (fault)
    throw new SelectorError(
      `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: ${fault}`,
    );
}

function checkRequirement(requirement: Requirement): Requirement {
  for (const [at, value] of requirement.values.entries()) {
    const compares = requirement.operator === '>' || requirement.operator === '<';
    const fault =
      compares && !/^-?[0-9]{1,18}$/.test(value)
        ? `for 'Gt', 'Lt' operators, the value must be an integer`
        : labelValueFault(value);
    if (fault)
      throw new SelectorError(
        `unable to parse requirement: values[${at}][${requirement.key}]: Invalid value: ${JSON.stringify(value)}: ${fault}`,
      );
  }
  return requirement;
}

function sortByKey(requirements: Requirement[]): Requirement[] {
  return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

const OPERATORS: Record<string, Operator> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/**
 * The requirements of a metav1.LabelSelector: an empty one selects everything; undefined or null selects nothing, and so
 * gives undefined. Throws SelectorError.
 */
export function selectorOf(selector: LabelSelectorLike | undefined | null): Selector | undefined {
  if (!selector) return undefined;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push({ key, operator: '=', values: [value] });
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
    if (!known) throw new SelectorError(`"${operator}" is not a valid label selector operator`);
    requirements.push({ key, operator: known, values: [...(values ?? [])].sort() });
  }
  return sortByKey(requirements);
}

/** The selector of exactly these labels, as Services and ReplicationControllers have it. */
export function selectorOfLabels(labels: Labels): Selector {
  return selectorOf({ matchLabels: labels })!;
}

/** Whether the labels meet every requirement. `undefined` (no selector) matches nothing. */
export function matchesSelector(selector: Selector | undefined, labels: Labels | undefined): boolean {
  if (!selector) return false;
  for (const requirement of selector) if (!meets(requirement, labels ?? {})) return false;
  return true;
}

/** `matchesSelector` for the selector of an object. Throws SelectorError. */
export function matchesLabelSelector(
  selector: LabelSelectorLike | undefined | null,
  labels: Labels | undefined,
): boolean {
  return matchesSelector(selectorOf(selector), labels);
}

const MEETS: Record<Operator, (values: string[], label: string | undefined) => boolean> = {
  '=': (values, label) => label === values[0],
  '!=': (values, label) => label !== values[0],
  in: (values, label) => label !== undefined && values.includes(label),
  notin: (values, label) => label === undefined || !values.includes(label),
  exists: (_values, label) => label !== undefined,
  '!': (_values, label) => label === undefined,
  '>': (values, label) => isInteger(label) && BigInt(label) > BigInt(values[0]!),
  '<': (values, label) => isInteger(label) && BigInt(label) < BigInt(values[0]!),
};

function meets(requirement: Requirement, labels: Labels): boolean {
  const label = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  return MEETS[requirement.operator](requirement.values, label);
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?[0-9]{1,18}$/.test(text);
}

/** The text form, keys sorted: `app=web,tier in (a,b)`. */
export function formatSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  if (operator === 'exists') return key;
  if (operator === '!') return `!${key}`;
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${values.join(',')})`;
  return `${key}${operator}${values[0]}`;
}

/** As tables and describe show a LabelSelector: `<none>` when empty, `<error>` when it cannot be read. */
export function describeLabelSelector(selector: LabelSelectorLike | undefined | null): string {
  try {
    const requirements = selectorOf(selector);
    return requirements?.length ? formatSelector(requirements) : '<none>';
  } catch (error) {
    if (error instanceof SelectorError) return '<error>';
    throw error;
  }
}
