import { describe, expect, it } from 'vitest';
import { ResourceQuotaKind } from '../kinds/resource-quota.ts';
import { made, type Parts, refusals, statusRefusals, updateRefusals } from '../testing/refusals.ts';
import { wideRow } from '../testing/rows.ts';

const at = 'spec.scopeSelector.matchExpressions';
const select = (...matchExpressions: Parts[]) => ({ scopeSelector: { matchExpressions } });

describe('a quota is refused', () => {
  it.each<[string, Parts, unknown[]]>([
    [
      'of what nobody counts',
      { hard: { apples: '1', storage: '1', '-': '1' } },
      [
        'spec.hard[apples]: Invalid value: "apples": must be a standard resource type or fully qualified',
        'spec.hard[apples]: Invalid value: "apples": must be a standard resource for quota',
        'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
        expect.stringContaining('spec.hard[-]: Invalid value: "-": name part must consist of '),
        'spec.hard[-]: Invalid value: "-": must be a standard resource for quota',
      ],
    ],
    [
      'of less than nothing, or half a thing',
      { hard: { cpu: '-1', pods: '-1500m', 'count/jobs.batch': '500m', memory: 'much' } },
      [
        'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.hard[pods]: Invalid value: "-1500m": must be greater than or equal to 0',
        'spec.hard[pods]: Invalid value: "-1500m": must be an integer',
        'spec.hard[count/jobs.batch]: Invalid value: "500m": must be an integer',
        'spec.hard[memory]: Invalid value: "much": quantities must match the regular expression \'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$\'',
      ],
    ],
    [
      'with scopes that are none, or exclude each other',
      { scopes: ['Some', 'BestEffort', 'NotBestEffort'] },
      [
        'spec.scopes: Invalid value: ["Some","BestEffort","NotBestEffort"]: unsupported scope',
        'spec.scopes: Invalid value: ["Some","BestEffort","NotBestEffort"]: conflicting scopes',
      ],
    ],
    [
      'with scopes that do not fit what is counted',
      { hard: { pods: '1', cpu: '1', services: '1', 'count/x': '1' }, scopes: ['BestEffort'] },
      Array(2).fill('spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'),
    ],
    [
      'when it selects no scope there is',
      select({ scopeName: 'Some', operator: 'Like' }, {}),
      [
        `${at}.scopeName: Invalid value: "Some": unsupported scope`,
        `${at}.operator: Invalid value: "Like": not a valid selector operator`,
        `${at}.scopeName: Invalid value: "": unsupported scope`,
        `${at}.operator: Invalid value: "": not a valid selector operator`,
      ],
    ],
    [
      'when it selects by values that are missing or too many',
      select(
        { scopeName: 'PriorityClass', operator: 'In' },
        { scopeName: 'PriorityClass', operator: 'Exists', values: ['high'] },
      ),
      [
        `${at}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`,
        `${at}.values: Invalid value: ["high"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`,
      ],
    ],
    [
      'when it selects pods that do not exist',
      {
        hard: { services: '1' },
        ...select(
          { scopeName: 'Terminating', operator: 'DoesNotExist' },
          { scopeName: 'NotTerminating', operator: 'Exists' },
        ),
      },
      [
        expect.stringMatching(
          /^spec.scopeSelector.matchExpressions: .* unsupported scope applied to resource$/,
        ),
        `${at}.operator: Invalid value: "DoesNotExist": must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
        expect.stringMatching(
          /^spec.scopeSelector.matchExpressions: .* unsupported scope applied to resource$/,
        ),
        `${at}: Invalid value: null: conflicting scopes`,
      ],
    ],
  ])('%s', (_what, spec, faults) => {
    expect(refusals(ResourceQuotaKind, { spec })).toEqual(faults);
  });

  it.each([
    'requests.nvidia.com/gpu',
    'gold.storageclass.storage.k8s.io/requests.storage',
    'requests.hugepages-2Mi',
    'limits.ephemeral-storage',
    'services.loadbalancers',
  ])('but not of %s', (name) => {
    expect(refusals(ResourceQuotaKind, { spec: { hard: { [name]: '1' } } })).toEqual([]);
  });
});

it('the scopes of a quota stay, in whatever order', () => {
  const scopes = (...names: string[]) => ({ spec: { scopes: names } });
  const before = scopes('BestEffort', 'Terminating');
  expect(updateRefusals(ResourceQuotaKind, before, scopes('Terminating', 'BestEffort'))).toEqual([]);
  expect(updateRefusals(ResourceQuotaKind, before, scopes('BestEffort'))).toEqual([
    'spec.scopes: Invalid value: ["BestEffort"]: field is immutable',
  ]);
});

it('the status of a quota is held to the same names', () => {
  const status = { hard: { apples: '1' }, used: { pods: '500m' } };
  expect(statusRefusals(ResourceQuotaKind, { status })).toEqual([
    'status.hard[apples]: Invalid value: "apples": must be a standard resource type or fully qualified',
    'status.hard[apples]: Invalid value: "apples": must be a standard resource for quota',
    'status.used[pods]: Invalid value: "500m": must be an integer',
  ]);
});

it('a new quota has counted nothing', () => {
  const quota = made(ResourceQuotaKind, {
    spec: { hard: { cpu: '1000m' } },
    status: { hard: { cpu: '1000m' }, used: { cpu: '0.5' } },
  });
  expect(quota.status).toEqual({ hard: { cpu: '1' }, used: { cpu: '500m' } });
  ResourceQuotaKind.strategy.prepareForCreate!(quota);
  expect(quota).toEqual({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'x', namespace: 'default' },
    spec: { hard: { cpu: '1' } },
    status: {},
  });
});

it('a quota is listed with what is used of it', () => {
  const status = {
    hard: { pods: '10', 'requests.cpu': '2', 'limits.memory': '2Gi', 'limits.cpu': '4' },
    used: { 'requests.cpu': '1', 'limits.cpu': '500m', 'limits.memory': '1Gi' },
  };
  expect(wideRow(ResourceQuotaKind as never, { status })).toEqual([
    'Name|Request|Limit|Age',
    'x|pods: 0/10, requests.cpu: 1/2|limits.cpu: 500m/4, limits.memory: 1Gi/2Gi|24h',
  ]);
});
