import { describe, expect, it } from 'vitest';
import {
  CONFIG_KEY,
  DNS_1035,
  LABEL,
  LABEL_VALUE,
  PERCENT,
  QUALIFIED,
  SEARCH,
  SUBDOMAIN,
} from '../testing/name-texts.ts';
import {
  configKeyFaults,
  dns1035LabelFaults,
  dnsLabelFaults,
  dnsSearchFaults,
  dnsSubdomainFaults,
  envNameFaults,
  isDnsSubdomain,
  labelValueFaults,
  pathSegmentFaults,
  percentFaults,
  portNameFaults,
  portNumberFaults,
  qualifiedNameFaults,
} from './names.ts';

type Rule = (value: string) => readonly string[];

const LONG = 'a'.repeat(64);
const VERY_LONG = [LONG.slice(1), LONG.slice(1), LONG.slice(1), LONG.slice(1)].join('.');

describe('good names', () => {
  it.each<[string, Rule, string[]]>([
    ['DNS labels', dnsLabelFaults, ['a', '1', 'my-name', '123-abc', 'a'.repeat(63)]],
    ['DNS subdomains', dnsSubdomainFaults, ['a', 'a.b', 'example.com', '1.2.3.4', 'a-b.c-d']],
    ['search domains', dnsSearchFaults, ['a', '_tcp.a_b.example.com']],
    ['DNS-1035 labels', dns1035LabelFaults, ['a', 'my-name', 'abc-123']],
    [
      'qualified names',
      qualifiedNameFaults,
      ['a', 'MyName', 'my.name', '123-abc', 'example.com/MyName', 'a_b'],
    ],
    ['label values', labelValueFaults, ['', 'a', 'MyValue', 'my_value', '12345', 'a'.repeat(63)]],
    ['config keys', configKeyFaults, ['a', 'key.name', 'KEY_NAME', '.bashrc', '-', 'a..b']],
    ['env names', envNameFaults, ['A', 'my.env-name', 'with blank', '1ST', '~']],
    ['port names', portNameFaults, ['http', 'a', '8080-tcp', 'a-b-c']],
    ['percentages', percentFaults, ['0%', '25%', '101%']],
    ['path segments', pathSegmentFaults, ['system:node', 'a b', '...']],
  ])('%s', (_what, rule, good) => {
    for (const name of good) expect([name, rule(name)]).toEqual([name, []]);
  });
});

describe('bad names', () => {
  it.each<[Rule, string, string[]]>([
    [dnsLabelFaults, 'My-Name', [LABEL]],
    [dnsLabelFaults, '-a', [LABEL]],
    [dnsLabelFaults, 'a.b', ['must not contain dots']],
    [dnsLabelFaults, LONG, ['must be no more than 63 characters']],
    [dnsSearchFaults, 'a_', [SEARCH]],
    [dnsSubdomainFaults, 'a_b', [SUBDOMAIN]],
    [dnsSubdomainFaults, 'a..b', [SUBDOMAIN]],
    [dnsSubdomainFaults, VERY_LONG, ['must be no more than 253 characters']],
    [dns1035LabelFaults, '1a', [DNS_1035]],
    [dns1035LabelFaults, `${LONG}-`, ['must be no more than 63 characters', DNS_1035]],
    [qualifiedNameFaults, 'a b', [`name part ${QUALIFIED}`]],
    [qualifiedNameFaults, '', ['name part must be non-empty', `name part ${QUALIFIED}`]],
    [qualifiedNameFaults, '/a', ['prefix part must be non-empty']],
    [qualifiedNameFaults, 'A.com/a', [`prefix part ${SUBDOMAIN}`]],
    [qualifiedNameFaults, LONG, ['name part must be no more than 63 characters']],
    [
      qualifiedNameFaults,
      'a/b/c',
      [
        `a qualified name ${QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
      ],
    ],
    [labelValueFaults, 'Hello World', [LABEL_VALUE]],
    [labelValueFaults, LONG, ['must be no more than 63 characters']],
    [configKeyFaults, '../a', [CONFIG_KEY, "must not start with '..'"]],
    [configKeyFaults, 'a/b', [CONFIG_KEY]],
    [configKeyFaults, '.', ["must not be '.'"]],
    [configKeyFaults, '..', ["must not be '..'"]],
    [configKeyFaults, '..data', ["must not start with '..'"]],
    [configKeyFaults, 'a'.repeat(254), ['must be no more than 253 characters']],
    [
      envNameFaults,
      'A=B',
      ["a valid environment variable name must consist only of printable ASCII characters other than '='"],
    ],
    [envNameFaults, '', ['environment variable name must be non-empty']],
    [
      portNameFaults,
      'HTTP',
      [
        'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        'must contain at least one letter (a-z)',
      ],
    ],
    [portNameFaults, '8080', ['must contain at least one letter (a-z)']],
    [portNameFaults, 'a--b', ['must not contain consecutive hyphens']],
    [portNameFaults, 'a-', ['must not begin or end with a hyphen']],
    [portNameFaults, 'a'.repeat(16), ['must be no more than 15 characters']],
    [percentFaults, '25', [PERCENT]],
    [pathSegmentFaults, '.', ["may not be '.'"]],
    [pathSegmentFaults, '..', ["may not be '..'"]],
    [pathSegmentFaults, 'a/b', ["may not contain '/'"]],
  ])('%o refuses %s', (rule, name, faults) => {
    expect(rule(name)).toEqual(faults);
  });

  it.each([0, -1, 65536, 1.5])('port %s', (port) => {
    expect(portNumberFaults(port)).toEqual(['must be between 1 and 65535, inclusive']);
  });
});

it('takes the hyphen at the end of a generateName for what it is', () => {
  expect(isDnsSubdomain('web-', true)).toEqual([]);
  expect(isDnsSubdomain('web-', false)).toEqual([SUBDOMAIN]);
});
