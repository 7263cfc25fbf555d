import { describe, expect, it } from 'vitest';
import { LABEL, LABEL_VALUE, QUALIFIED, SUBDOMAIN } from '../testing/name-texts.ts';
import { podRefusals, type Wrong } from '../testing/pods.ts';

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
const term = { topologyKey: '' };
const node = `spec.affinity.nodeAffinity.${required}.nodeSelectorTerms[0]`;
const onNodes = (nodeSelectorTerm: Wrong): Wrong => ({
  affinity: { nodeAffinity: { [required]: { nodeSelectorTerms: [nodeSelectorTerm] } } },
});
const pods = `spec.affinity.podAffinity.${required}[0]`;
const nearPods = (podTerm: Wrong): Wrong => ({
  affinity: { podAffinity: { [required]: [{ topologyKey: 'zone', ...podTerm }] } },
});
const spread = 'spec.topologySpreadConstraints[0]';
const spreadBy = (...constraints: Wrong[]): Wrong => ({
  topologySpreadConstraints: constraints.map((constraint) => ({
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: 'DoNotSchedule',
    ...constraint,
  })),
});
const labelSelector = { matchLabels: { app: 'a' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] };

describe('the place of a pod', () => {
  it.each<[Wrong, string[]]>([
    [
      { tolerations: [{ key: 'a', operator: 'Near' }] },
      ['spec.tolerations[0].operator: Unsupported value: "Near": supported values: "Equal", "Exists"'],
    ],
    [
      { tolerations: [{ value: 'a' }] },
      [
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ],
    ],
    [
      {
        tolerations: [
          { key: 'a', operator: 'Exists', value: 'b', effect: 'NoSchedule', tolerationSeconds: 1 },
        ],
      },
      [
        'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
        'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'',
      ],
    ],
    [
      { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } } },
      [
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
      ],
    ],
    [
      {
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, podAffinityTerm: term }],
          },
        },
      },
      [
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: can not be empty',
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "": name part must be non-empty',
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'Cry' }] },
      [
        'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry": supported values: "DoNotSchedule", "ScheduleAnyway"',
      ],
    ],

    [
      { tolerations: [{ key: 'a/b/c', value: '-', effect: 'Never' }] },
      [
        `spec.tolerations[0].key: Invalid value: "a/b/c": a qualified name ${QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
        `spec.tolerations[0].operator: Invalid value: "-": ${LABEL_VALUE}`,
        'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      ],
    ],
    [
      onNodes({
        matchExpressions: [
          { key: 'a', operator: 'In' },
          { key: 'b', operator: 'Exists', values: ['c'] },
          { key: '-', operator: 'Gt' },
          { key: 'd', operator: 'Like', values: ['-'] },
        ],
      }),
      [
        `${node}.matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
        `${node}.matchExpressions[1].values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
        `${node}.matchExpressions[2].values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
        `${node}.matchExpressions[2].key: Invalid value: "-": name part ${QUALIFIED}`,
        `${node}.matchExpressions[3].operator: Invalid value: "Like": not a valid selector operator`,
        `${node}.matchExpressions[3].values[0]: Invalid value: "-": ${LABEL_VALUE}`,
      ],
    ],
    [
      onNodes({
        matchFields: [
          { key: 'metadata.name', operator: 'In' },
          { key: 'metadata.name', operator: 'NotIn', values: ['a_b'] },
          { key: 'spec.name', operator: 'Exists' },
        ],
      }),
      [
        `${node}.matchFields[0].values: Required value: must be only one value when \`operator\` is 'In' or 'NotIn' for node field selector`,
        `${node}.matchFields[1].values[0]: Invalid value: "a_b": ${SUBDOMAIN}`,
        `${node}.matchFields[2].operator: Invalid value: "Exists": not a valid selector operator`,
        `${node}.matchFields[2].key: Invalid value: "spec.name": not a valid field selector key`,
      ],
    ],
    [
      {
        affinity: {
          nodeAffinity: {
            [preferred]: [
              {
                weight: 101,
                preference: { matchExpressions: [{ key: 'a', operator: 'In', values: ['-'] }] },
              },
            ],
          },
        },
      },
      [`spec.affinity.nodeAffinity.${preferred}[0].weight: Invalid value: 101: must be in the range 1-100`],
    ],
    [
      nearPods({
        namespaces: ['A'],
        labelSelector: { matchExpressions: [{ key: '-', operator: 'In', values: ['-'] }] },
        namespaceSelector: { matchLabels: { a: '-' } },
      }),
      [
        `${pods}.labelSelector.matchExpressions[0].key: Invalid value: "-": name part ${QUALIFIED}`,
        `${pods}.labelSelector.matchExpressions[0].values[0]: Invalid value: "-": ${LABEL_VALUE}`,
        `${pods}.namespaceSelector.matchLabels: Invalid value: "-": ${LABEL_VALUE}`,
        `${pods}.namespace: Invalid value: "A": ${LABEL}`,
      ],
    ],
    [
      nearPods({ matchLabelKeys: ['a'], mismatchLabelKeys: ['b'] }),
      [
        `${pods}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`,
        `${pods}.mismatchLabelKeys: Forbidden: must not be specified when labelSelector is not set`,
      ],
    ],
    [
      nearPods({ labelSelector, matchLabelKeys: ['-', 'b'], mismatchLabelKeys: ['b'] }),
      [
        `${pods}.matchLabelKeys[0]: Invalid value: "-": name part ${QUALIFIED}`,
        `${pods}.matchLabelKeys[1]: Invalid value: "b": exists in both matchLabelKeys and mismatchLabelKeys`,
      ],
    ],
    [spreadBy({ topologyKey: '' }), [`${spread}.topologyKey: Required value: can not be empty`]],
    [
      spreadBy({}, { topologyKey: 'rack' }, {}),
      [`${spread}.{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"`],
    ],
    [
      spreadBy({ whenUnsatisfiable: 'ScheduleAnyway', minDomains: 0 }),
      [
        `${spread}.minDomains: Invalid value: 0: must be greater than zero`,
        `${spread}.minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway`,
      ],
    ],
    [
      spreadBy({ nodeAffinityPolicy: 'Obey', nodeTaintsPolicy: 'Obey' }),
      [
        `${spread}.nodeAffinityPolicy: Unsupported value: "Obey": supported values: "Honor", "Ignore"`,
        `${spread}.nodeTaintsPolicy: Unsupported value: "Obey": supported values: "Honor", "Ignore"`,
      ],
    ],
    [
      spreadBy({ matchLabelKeys: ['-'] }),
      [
        `${spread}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`,
        `${spread}.matchLabelKeys[0]: Invalid value: "-": name part ${QUALIFIED}`,
      ],
    ],
    [
      spreadBy({ labelSelector, matchLabelKeys: ['app', 'tier', 'version'] }),
      [
        `${spread}.matchLabelKeys[0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector`,
        `${spread}.matchLabelKeys[1]: Invalid value: "tier": exists in both matchLabelKeys and labelSelector`,
      ],
    ],
  ])('%j', (part, expected) => {
    expect(podRefusals(part)).toEqual(expected);
  });
});
