import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { StorageClassKind } from '../kinds/storage-class.ts';
import { VolumeAttributesClassKind } from '../kinds/volume-attributes-class.ts';
import {
  type ChangeRefusal,
  made,
  type Refusal,
  refusesEach,
  refusesEachChange,
} from '../testing/refusals.ts';

const provisioner = 'csi.example.com';
const many = Object.fromEntries(Array.from({ length: 513 }, (_, index) => [`k${index}`, '']));

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
  [
    StorageClassKind as Kind,
    { reclaimPolicy: 'Recycle', volumeBindingMode: 'Later' },
    [
      'provisioner: Required value',
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
    ],
  ],
  [
    StorageClassKind as Kind,
    { provisioner: 'A/b/c', parameters: { '': 'a' } },
    [
      expect.stringMatching(/^provisioner: Invalid value: "a\/b\/c": a qualified name must consist of /),
      'parameters: Invalid value: "": field can not be empty.',
    ],
  ],
  [
    StorageClassKind as Kind,
    { provisioner, parameters: many },
    ['parameters: Too long: may not be more than 512 bytes'],
  ],
  [
    StorageClassKind as Kind,
    { provisioner, parameters: { a: 'b'.repeat(262_144) } },
    ['parameters: Too long: may not be more than 262144 bytes'],
  ],
  [
    StorageClassKind as Kind,
    {
      provisioner,
      allowedTopologies: [
        { matchLabelExpressions: [{ key: 'zone', values: ['a', 'b', 'a'] }, { key: 'zone' }] },
        { matchLabelExpressions: [{ key: '', values: ['a'] }] },
        {},
      ],
    },
    [
      'allowedTopologies[0].matchLabelExpressions[0].values[2]: Duplicate value: "a"',
      'allowedTopologies[0].matchLabelExpressions[1].values: Required value',
      'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"',
      'allowedTopologies[1].matchLabelExpressions[0].key: Invalid value: "": name part must be non-empty',
      expect.stringMatching(
        /^allowedTopologies\[1\].matchLabelExpressions\[0\].key: .*: name part must consist/,
      ),
      'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
    ],
  ],
  [
    StorageClassKind as Kind,
    {
      provisioner,
      allowedTopologies: [
        { matchLabelExpressions: [{ key: 'zone', values: ['a', 'b'] }] },
        { matchLabelExpressions: [{ key: 'zone', values: ['b', 'a'] }] },
      ],
    },
    ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
  ],
  [
    VolumeAttributesClassKind as Kind,
    {},
    ['driverName: Required value', 'parameters: Required value: must contain at least one key/value pair'],
  ],
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    StorageClassKind as Kind,
    { provisioner },
    {
      provisioner: 'other',
      parameters: { a: 'b' },
      reclaimPolicy: 'Retain',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    [
      'parameters: Forbidden: updates to parameters are forbidden.',
      'provisioner: Forbidden: updates to provisioner are forbidden.',
      'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.',
      'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ],
  ],
  [StorageClassKind as Kind, { provisioner }, { provisioner, allowVolumeExpansion: true }, []],
  [
    VolumeAttributesClassKind as Kind,
    { driverName: 'a', parameters: { a: 'b' } },
    { driverName: 'b', parameters: { a: 'c' } },
    [
      'driverName: Forbidden: updates to driverName are forbidden.',
      'parameters: Forbidden: updates to parameters are forbidden.',
    ],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));

describe('what is left out is filled in', () => {
  it('a class deletes volumes, and binds them at once', () => {
    expect(made(StorageClassKind, { provisioner })).toEqual({
      apiVersion: 'v1',
      kind: 'StorageClass',
      metadata: { name: 'x' },
      provisioner,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'Immediate',
    });
  });
});
