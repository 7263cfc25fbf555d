import { describe, expect, it } from 'vitest';
import { PersistentVolumeClaimKind } from '../kinds/persistent-volume-claim.ts';
import { made, type Parts, refusals, statusRefusals, updateRefusals } from '../testing/refusals.ts';

const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const DNS =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const MODES = 'supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';
const claim = { kind: 'PersistentVolumeClaim', name: 'other' };

describe('a claim is refused', () => {
  it.each<[string, Parts, string[]]>([
    [
      'when it asks for nothing',
      {},
      [
        'spec.accessModes: Required value: at least 1 access mode is required',
        'spec.resources[storage]: Required value',
      ],
    ],
    [
      'with modes that are none, or do not go together',
      { accessModes: ['Any', 'ReadWriteOncePod', 'ReadOnlyMany'] },
      [
        `spec.accessModes: Unsupported value: "Any": ${MODES}`,
        'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
      ],
    ],
    [
      'for no room',
      { resources: { requests: { storage: '0' } } },
      ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
    ],
    [
      'for a size that is none',
      { resources: { requests: { storage: 'much' } } },
      [
        'spec.resources[storage]: Invalid value: "much": quantities must match the regular expression \'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$\'',
      ],
    ],
    [
      'for a mode or class that cannot be',
      { volumeMode: 'Tape', storageClassName: 'A', volumeAttributesClassName: 'B' },
      [
        `spec.storageClassName: Invalid value: "A": ${DNS}`,
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
        `spec.volumeAttributesClassName: Invalid value: "B": ${DNS}`,
      ],
    ],
    [
      'for a volume that no label can pick',
      { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
      [
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      ],
    ],
    [
      'when its source is nothing',
      { dataSourceRef: {} },
      [
        'spec.dataSourceRef.name: Required value',
        'spec.dataSourceRef.kind: Required value',
        'spec.dataSourceRef: Invalid value: "": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
      ],
    ],
    [
      'when its source is in no group or namespace that can be',
      { dataSourceRef: { ...claim, apiGroup: 'A', namespace: 'B' } },
      [
        `spec.dataSourceRef.apiGroup: Invalid value: "A": ${DNS}`,
        `spec.dataSourceRef.namespace: Invalid value: "B": ${LABEL}`,
      ],
    ],
    [
      'with a second source beside one in another namespace',
      { dataSource: claim, dataSourceRef: { ...claim, namespace: 'b' } },
      [
        'spec: Invalid value: "spec.dataSource": may not be specified when dataSourceRef.namespace is specified',
      ],
    ],
    [
      'with two sources that differ',
      { dataSource: claim, dataSourceRef: { ...claim, name: 'third' } },
      ['spec: Invalid value: "spec.dataSource": must match dataSourceRef'],
    ],
  ])('%s', (_what, parts, faults) => {
    const whole = Object.keys(parts).length === 0 ? {} : { ...spec, ...parts };
    expect(refusals(PersistentVolumeClaimKind, { spec: whole })).toEqual(faults);
  });
});

const REST =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const bound = { phase: 'Bound', capacity: { storage: '1Gi' } };
const sized = (storage: string) => ({ ...spec, resources: { requests: { storage } } });
const annotated = (name: string) => ({ annotations: { 'volume.beta.kubernetes.io/storage-class': name } });

describe('a claim that exists', () => {
  it.each<[string, Parts, Parts, string[]]>([
    ['is bound once', { spec }, { spec: { ...spec, volumeName: 'v' } }, []],
    [
      'stays bound',
      { spec: { ...spec, volumeName: 'v' } },
      { spec: { ...spec, volumeName: 'w' } },
      [`spec: Forbidden: ${REST}\nchanged: spec.volumeName`],
    ],
    ['gets a class when it had none', { spec }, { spec: { ...spec, storageClassName: 'fast' } }, []],
    [
      'does not give up the class without a name',
      { spec: { ...spec, storageClassName: '' } },
      { spec },
      [`spec: Forbidden: ${REST}\nchanged: spec.storageClassName`],
    ],
    [
      'keeps its class when the annotation becomes the field',
      { metadata: annotated('fast'), spec },
      { spec: { ...spec, storageClassName: 'fast' } },
      [],
    ],
    [
      'gets no other class than the annotation says',
      { metadata: annotated('fast'), spec },
      { metadata: annotated('slow'), spec: { ...spec, storageClassName: 'slow' } },
      [
        'metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "slow": field is immutable',
        `spec: Forbidden: ${REST}\nchanged: spec.storageClassName`,
      ],
    ],
    ['grows when bound', { spec, status: bound }, { spec: sized('2Gi'), status: bound }, []],
    [
      'does not grow before',
      { spec },
      { spec: sized('2Gi') },
      [`spec: Forbidden: ${REST}\nchanged: spec.resources`],
    ],
    [
      'takes back a wish to grow',
      { spec: sized('3Gi'), status: bound },
      { spec: sized('2Gi'), status: bound },
      [],
    ],
    [
      'does not shrink to what it has',
      { spec: sized('3Gi'), status: bound },
      { spec: sized('1Gi'), status: bound },
      ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    ],
    [
      'stays a device or a file system',
      { spec },
      { spec: { ...spec, volumeMode: 'Block' } },
      [
        `spec: Forbidden: ${REST}\nchanged: spec.volumeMode`,
        'volumeMode: Invalid value: "Block": field is immutable',
      ],
    ],
    [
      'changes its class of attributes when bound',
      { spec: { ...spec, volumeAttributesClassName: 'a' }, status: bound },
      { spec: { ...spec, volumeAttributesClassName: 'b' }, status: bound },
      [],
    ],
    [
      'does not do without one again',
      { spec: { ...spec, volumeAttributesClassName: 'a' }, status: bound },
      { spec, status: bound },
      [
        `spec: Forbidden: ${REST}\nchanged: spec.volumeAttributesClassName`,
        'spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden',
      ],
    ],
    [
      'does not leave it empty',
      { spec: { ...spec, volumeAttributesClassName: 'a' }, status: bound },
      { spec: { ...spec, volumeAttributesClassName: '' }, status: bound },
      [
        'spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string is forbidden',
      ],
    ],
  ])('%s', (_what, before, after, faults) => {
    expect(updateRefusals(PersistentVolumeClaimKind, before, after)).toEqual(faults);
  });
});

it('the status of a claim holds sizes of storage', () => {
  const status = {
    capacity: { storage: '-1' },
    allocatedResources: { cpu: '1', 'a/b/c': '1', storage: '-1', 'example.com/x': '1' },
    allocatedResourceStatuses: { storage: 'Slow', 'example.com/x': 'NodeResizePending' },
  };
  expect(statusRefusals(PersistentVolumeClaimKind, { spec, status })).toEqual([
    'status.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
    'status.allocatedResourceStatus: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
    'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
    expect.stringMatching(/^status.allocatedResources: Invalid value: "a\/b\/c": a qualified name /),
    'status.allocatedResources[storage]: Invalid value: -1: must be a valid resource quantity',
  ]);
});

describe('the defaults of a claim', () => {
  const created = (parts: Parts) => {
    const object = made(PersistentVolumeClaimKind, parts);
    PersistentVolumeClaimKind.strategy.prepareForCreate!(object);
    return object;
  };

  it('are a file system, and to wait', () => {
    const status = { phase: 'Bound', capacity: { storage: '1' } };
    expect(created({ spec: sized('1024Mi'), status })).toEqual({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'x', namespace: 'default' },
      spec: { ...spec, volumeMode: 'Filesystem' },
      status: { phase: 'Pending' },
    });
  });

  it('keep both names of the source alike, and drop what the old name cannot say', () => {
    const snapshot = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' };
    const other = { apiGroup: 'example.com', kind: 'Tape', name: 't' };
    const far = { ...claim, namespace: 'far' };
    const sources = (parts: Parts) => {
      const { dataSource, dataSourceRef } = created({ spec: { ...spec, ...parts } }).spec!;
      return [dataSource, dataSourceRef];
    };
    expect(sources({ dataSource: claim })).toEqual([claim, claim]);
    expect(sources({ dataSource: snapshot })).toEqual([snapshot, snapshot]);
    expect(sources({ dataSource: other })).toEqual([undefined, undefined]);
    expect(sources({ dataSourceRef: other })).toEqual([other, other]);
    expect(sources({ dataSourceRef: far })).toEqual([undefined, far]);
  });

  it('drop an unknown source from an update unless there was one', () => {
    const other = { apiGroup: 'example.com', kind: 'Tape', name: 't' };
    const updated = (before: Parts) => {
      const now = made(PersistentVolumeClaimKind, { spec: { ...spec, dataSource: other } });
      const old = made(PersistentVolumeClaimKind, { spec: { ...spec, ...before } });
      PersistentVolumeClaimKind.strategy.prepareForUpdate!(now, old);
      return now.spec!.dataSource;
    };
    expect(updated({})).toBeUndefined();
    expect(updated({ dataSource: other, dataSourceRef: other })).toEqual(other);
  });
});
