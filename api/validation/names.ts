/**
 * The rules for names, keys and values. Each returns what is wrong, in the words of Kubernetes, or an empty list.
 * Source: Kubernetes documentation, "Object Names and IDs", "Labels and Selectors"; RFC 1123, RFC 1035, RFC 6335.
 */

/** Judges a name; `prefix` for a generateName, whose end is still to come. */
export type NameRule = (name: string, prefix: boolean) => readonly string[];

const NONE: readonly string[] = [];
const LABEL_MAX = 63;
const SUBDOMAIN_MAX = 253;
const PORT_NAME_MAX = 15;

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const SEARCH_LABEL = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const SEARCH = `${SEARCH_LABEL}(\\.${SEARCH_LABEL})*`;
const DNS_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const PERCENT = '[0-9]+%';

const whole = (source: string) => new RegExp(`^(?:${source})$`);
const IS_LABEL = whole(LABEL);
const IS_SUBDOMAIN = whole(SUBDOMAIN);
const IS_SEARCH = whole(SEARCH);
const IS_DNS_1035 = whole(DNS_1035);
const IS_QUALIFIED = whole(QUALIFIED);
const IS_LABEL_VALUE = whole(LABEL_VALUE);
const IS_CONFIG_KEY = whole(CONFIG_KEY);
const IS_PERCENT = whole(PERCENT);

/** `my-name`: at most 63 lower-case letters, digits and hyphens. */
export function dnsLabelFaults(value: string): readonly string[] {
  if (value.length <= LABEL_MAX && IS_LABEL.test(value)) return NONE;
  const faults = tooLong(value, LABEL_MAX);
  if (IS_LABEL.test(value)) return faults;
  if (IS_SUBDOMAIN.test(value)) return [...faults, 'must not contain dots'];
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...faults, withExamples(rule, LABEL, 'my-name', '123-abc')];
}

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/** `my.name`: DNS labels with dots, at most 253 characters. */
export function dnsSubdomainFaults(value: string): readonly string[] {
  if (value.length <= SUBDOMAIN_MAX && IS_SUBDOMAIN.test(value)) return NONE;
  const faults = tooLong(value, SUBDOMAIN_MAX);
  return IS_SUBDOMAIN.test(value)
    ? faults
    : [...faults, withExamples(SUBDOMAIN_RULE, SUBDOMAIN, 'example.com')];
}

const WILDCARD_SUBDOMAIN = `\\*\\.${SUBDOMAIN}`;
const IS_WILDCARD_SUBDOMAIN = whole(WILDCARD_SUBDOMAIN);

/** `*.my.name`: every name one label below a DNS subdomain. */
export function wildcardSubdomainFaults(value: string): readonly string[] {
  const faults = tooLong(value, SUBDOMAIN_MAX);
  if (IS_WILDCARD_SUBDOMAIN.test(value)) return faults;
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...faults, withExamples(rule, WILDCARD_SUBDOMAIN, '*.example.com')];
}

/** `_tcp.my.name`: a DNS subdomain with underscores, which are common in search domains (names of RFC 2782). */
export function dnsSearchFaults(value: string): readonly string[] {
  const faults = tooLong(value, SUBDOMAIN_MAX);
  if (IS_SEARCH.test(value)) return faults;
  const rule = SUBDOMAIN_RULE.replace("characters, '-'", "characters, '_', '-'");
  return [...faults, withExamples(rule, SEARCH, 'example.com')];
}

/** `my-name`, beginning with a letter: names of services. */
export function dns1035LabelFaults(value: string): readonly string[] {
  if (value.length <= LABEL_MAX && IS_DNS_1035.test(value)) return NONE;
  const faults = tooLong(value, LABEL_MAX);
  if (IS_DNS_1035.test(value)) return faults;
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...faults, withExamples(rule, DNS_1035, 'my-name', 'abc-123')];
}

const QUALIFIED_RULE =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const QUALIFIED_TEXT = withExamples(QUALIFIED_RULE, QUALIFIED, 'MyName', 'my.name', '123-abc');

/** `name` or `example.com/name`: keys of labels, annotations and resources, finalizers, conditions. */
export function qualifiedNameFaults(value: string): readonly string[] {
  const slash = value.indexOf('/');
  if (slash !== value.lastIndexOf('/')) {
    return [
      `a qualified name ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const name = value.slice(slash + 1);
  const prefixOk = slash < 0 || (slash > 0 && dnsSubdomainFaults(value.slice(0, slash)).length === 0);
  if (prefixOk && name.length <= LABEL_MAX && IS_QUALIFIED.test(name)) return NONE;
  const faults: string[] = [];
  if (slash === 0) faults.push('prefix part must be non-empty');
  else if (slash > 0)
    faults.push(...dnsSubdomainFaults(value.slice(0, slash)).map((fault) => `prefix part ${fault}`));
  if (name === '') faults.push('name part must be non-empty');
  else faults.push(...tooLong(name, LABEL_MAX).map((fault) => `name part ${fault}`));
  if (!IS_QUALIFIED.test(name)) faults.push(`name part ${QUALIFIED_TEXT}`);
  return faults;
}

/** Empty, or at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends. */
export function labelValueFaults(value: string): readonly string[] {
  if (value.length <= LABEL_MAX && IS_LABEL_VALUE.test(value)) return NONE;
  const faults = tooLong(value, LABEL_MAX);
  if (IS_LABEL_VALUE.test(value)) return faults;
  const rule = `a valid label must be an empty string or consist of ${QUALIFIED_RULE.slice('must consist of '.length)}`;
  return [...faults, withExamples(rule, LABEL_VALUE, 'MyValue', 'my_value', '12345')];
}

/** Keys of ConfigMaps and Secrets, which become file names. */
export function configKeyFaults(value: string): readonly string[] {
  if (value.length <= SUBDOMAIN_MAX && IS_CONFIG_KEY.test(value) && !value.startsWith('.')) return NONE;
  const faults = tooLong(value, SUBDOMAIN_MAX);
  if (!IS_CONFIG_KEY.test(value)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    faults.push(withExamples(rule, CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.') return [...faults, "must not be '.'"];
  if (value === '..') return [...faults, "must not be '..'"];
  return value.startsWith('..') ? [...faults, "must not start with '..'"] : faults;
}

/** Names of env variables: printable ASCII without `=`. */
export function envNameFaults(value: string): readonly string[] {
  if (/^[ -<>-~]+$/.test(value)) return NONE;
  if (value === '') return ['environment variable name must be non-empty'];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Whole numbers from 1 to 65535. */
export function portNumberFaults(port: number): readonly string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65535
    ? NONE
    : ['must be between 1 and 65535, inclusive'];
}

/** IANA service names: at most 15 lower-case letters, digits and single hyphens, with a letter among them. */
export function portNameFaults(name: string): readonly string[] {
  const faults = tooLong(name, PORT_NAME_MAX);
  if (!/^[-a-z0-9]+$/.test(name))
    faults.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) faults.push('must contain at least one letter (a-z)');
  if (name.includes('--')) faults.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) faults.push('must not begin or end with a hyphen');
  return faults;
}

/** `25%`. */
export function percentFaults(value: string): readonly string[] {
  if (IS_PERCENT.test(value)) return NONE;
  return [
    withExamples(
      "a valid percent string must be a numeric string followed by an ending '%'",
      PERCENT,
      '1%',
      '93%',
    ),
  ];
}

const PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const IS_PATH = whole(PATH);

/** `example.com/a/b`: a domain that owns a path. Each fault with the part that is wrong. */
export function domainPathFaults(value: string): readonly (readonly [part: string, fault: string])[] {
  const slash = value.indexOf('/');
  if (slash <= 0 || slash === value.length - 1)
    return [[value, 'must be a domain-prefixed path (such as "acme.io/foo")']];
  const host = value.slice(0, slash);
  const path = value.slice(slash + 1);
  const faults = dnsSubdomainFaults(host).map((fault) => [host, fault] as const);
  if (IS_PATH.test(path)) return faults;
  return [...faults, [path, `Invalid path (regex used for validation is '${PATH}')`]];
}

const CONDITION_REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const IS_CONDITION_REASON = whole(CONDITION_REASON);

/** `ReasonA`: why a condition is as it is, for programs. */
export function conditionReasonFaults(reason: string): readonly string[] {
  if (IS_CONDITION_REASON.test(reason)) return NONE;
  const rule =
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
  const examples = ['my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB'];
  return [withExamples(rule, CONDITION_REASON, ...examples)];
}

/** Names that only have to fit into a path: RBAC. */
export function pathSegmentFaults(name: string): readonly string[] {
  if (name === '.') return ["may not be '.'"];
  if (name === '..') return ["may not be '..'"];
  return ['/', '%'].filter((sign) => name.includes(sign)).map((sign) => `may not contain '${sign}'`);
}

export const isDnsLabel: NameRule = (name, prefix) => dnsLabelFaults(maskEnd(name, prefix));
export const isDnsSubdomain: NameRule = (name, prefix) => dnsSubdomainFaults(maskEnd(name, prefix));
export const isDns1035Label: NameRule = (name, prefix) => dns1035LabelFaults(maskEnd(name, prefix));
export const isPathSegment: NameRule = (name) => pathSegmentFaults(name);

/** The hyphen at the end of a generateName is not the end of the name. */
function maskEnd(name: string, prefix: boolean): string {
  return prefix && name.length > 1 && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
}

function tooLong(value: string, max: number): string[] {
  return value.length > max ? [`must be no more than ${max} characters`] : [];
}

/** The two blanks between the examples are how Kubernetes writes them. */
function withExamples(rule: string, pattern: string, ...examples: string[]): string {
  const quoted = examples.map((example) => `'${example}', `).join(' or ');
  return `${rule} (e.g. ${quoted}regex used for validation is '${pattern}')`;
}
