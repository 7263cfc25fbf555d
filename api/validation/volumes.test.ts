import { describe, expect, it } from 'vitest';
import { podRefusals, type Wrong } from '../testing/pods.ts';

const at = 'spec.volumes[0]';
const mounts = 'spec.containers[0].volumeMounts';
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';
const downward = (...items: Wrong[]): Wrong[] => [{ name: 'a', downwardAPI: { items } }];
const projected = (...sources: Wrong[]): Wrong[] => [{ name: 'a', projected: { sources } }];
const fieldRef = { fieldPath: 'metadata.name' };

describe('a volume', () => {
  it.each<[Wrong[], string[]]>([
    [[{ name: '' }], ['spec.volumes[0].name: Required value']],
    [[{ name: 'a' }, { name: 'a' }], ['spec.volumes[1].name: Duplicate value: "a"']],
    [
      [{ name: 'a', emptyDir: {}, secret: { secretName: 's' } }],
      ['spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type'],
    ],
    [[{ name: 'a', secret: {} }], ['spec.volumes[0].secret.secretName: Required value']],
    [[{ name: 'a', configMap: {} }], ['spec.volumes[0].configMap.name: Required value']],
    [
      [{ name: 'a', hostPath: { path: '/a/../b', type: 'Pipe' } }],
      [
        'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
        'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
      ],
    ],
    [
      [{ name: 'a', secret: { secretName: 's', defaultMode: 512 } }],
      [
        'spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
      ],
    ],
    [
      [{ name: 'a', configMap: { name: 'm', items: [{ path: '/x' }, { key: 'k', path: '../x' }] } }],
      [
        'spec.volumes[0].configMap.items[0].key: Required value',
        'spec.volumes[0].configMap.items[0].path: Invalid value: "/x": must be a relative path',
        'spec.volumes[0].configMap.items[1].path: Invalid value: "../x": must not contain \'..\'',
      ],
    ],
    [
      [{ name: 'a', persistentVolumeClaim: {} }],
      ['spec.volumes[0].persistentVolumeClaim.claimName: Required value'],
    ],
    [
      [{ name: 'a', projected: { sources: [{ serviceAccountToken: { expirationSeconds: 60 } }] } }],
      [
        `${at}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes`,
        `${at}.projected.path: Required value`,
        `${at}.projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set`,
      ],
    ],
    [
      [{ name: 'a', downwardAPI: { items: [{ path: 'x' }] } }],
      ['spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required'],
    ],
    [[{ name: 'a.b', emptyDir: {} }], [`${at}.name: Invalid value: "a.b": must not contain dots`]],
    [
      [{ name: 'a', emptyDir: { sizeLimit: '-1' } }],
      [`${at}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity`],
    ],
    [[{ name: 'a', hostPath: { type: 'Pipe' } }], [`${at}.hostPath.path: Required value`]],
    [
      [{ name: 'a', projected: {}, downwardAPI: {}, cephfs: {}, configMap: { name: 'm' } }],
      [
        `${at}.downwarAPI: Forbidden: may not specify more than 1 volume type`,
        `${at}.configMap: Forbidden: may not specify more than 1 volume type`,
        `${at}.projected: Forbidden: may not specify more than 1 volume type`,
      ],
    ],
    [
      [
        {
          name: 'a',
          secret: { secretName: 's', items: [{ key: 'k', path: '..x', mode: -1 }, { key: 'k' }] },
        },
      ],
      [
        `${at}.secret.items[0].path: Invalid value: "..x": must not start with '..'`,
        `${at}.secret.items[0].mode: Invalid value: -1: ${MODE}`,
        `${at}.secret.items[1].path: Required value`,
      ],
    ],
    [
      [{ name: 'a', downwardAPI: { defaultMode: 512 } }],
      [`${at}.downwardAPI.defaultMode: Invalid value: 512: ${MODE}`],
    ],
    [
      downward(
        { fieldRef, mode: 512 },
        { path: '/x', fieldRef, resourceFieldRef: { resource: 'limits.cpu' } },
      ),
      [
        `${at}.downwardAPI.path: Required value`,
        `${at}.downwardAPI.mode: Invalid value: 512: ${MODE}`,
        `${at}.downwardAPI.path: Invalid value: "/x": must be a relative path`,
        `${at}.downwardAPI: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously`,
      ],
    ],
    [
      downward({ path: 'x', resourceFieldRef: { resource: 'limits.cpu' } }),
      [`${at}.downwardAPI.resourceFieldRef.containerName: Required value`],
    ],
    [
      downward({ path: 'x', fieldRef: { fieldPath: 'spec.nodeName' } }),
      [
        `${at}.downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"`,
      ],
    ],
    [
      [{ name: 'a', projected: { defaultMode: 512, sources: [{ secret: {}, configMap: {} }] } }],
      [
        `${at}.projected.defaultMode: Invalid value: 512: ${MODE}`,
        `${at}.projected.sources[0].secret.name: Required value`,
        `${at}.projected.sources[0].configMap.name: Required value`,
        `${at}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source`,
      ],
    ],
    [
      projected(
        { secret: { name: 's', items: [{ key: 'k', path: 'x' }] } },
        { configMap: { name: 'm', items: [{ key: 'k', path: 'x' }] } },
        { downwardAPI: { items: [{ path: 'x', fieldRef }] } },
      ),
      [
        `${at}.projected: Invalid value: "m": conflicting duplicate paths`,
        `${at}.projected: Invalid value: "x": conflicting duplicate paths`,
      ],
    ],
    [
      projected({ serviceAccountToken: { path: '../x', expirationSeconds: 2 ** 32 + 1 } }),
      [
        `${at}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`,
        `${at}.projected.path: Invalid value: "../x": must not contain '..'`,
        `${at}.projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set`,
      ],
    ],
  ])('%j', (volumes, expected) => {
    expect(podRefusals({ volumes })).toEqual(expected);
  });

  it('with something wrong with it cannot be mounted', () => {
    const volumes = [{ name: 'a', secret: {} }];
    expect(podRefusals({ volumes }, { volumeMounts: [{ name: 'a', mountPath: '/x' }] })).toEqual([
      `${at}.secret.secretName: Required value`,
      `${mounts}[0].name: Not found: "a"`,
    ]);
  });

  it('is mounted at one place once, and never outside of itself', () => {
    const volumeMounts = [
      { name: 'a', mountPath: '/x', subPath: '../y' },
      { name: 'a', mountPath: '/x', mountPropagation: 'Bidirectional' },
    ];
    expect(podRefusals({ volumes: [{ name: 'a' }] }, { volumeMounts })).toEqual([
      'spec.containers[0].volumeMounts.subPath: Invalid value: "../y": must not contain \'..\'',
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
      'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
    ]);
  });
});

describe('a mount', () => {
  it.each<[Wrong, string[]]>([
    [
      { volumeMounts: [{ name: 'gone', mountPath: '' }] },
      [
        'spec.containers[0].volumeMounts[0].name: Not found: "gone"',
        'spec.containers[0].volumeMounts[0].mountPath: Required value',
      ],
    ],
    [
      { volumeMounts: [{ mountPath: '/x' }] },
      [`${mounts}[0].name: Required value`, `${mounts}[0].name: Not found: ""`],
    ],
    [
      { volumeMounts: [{ name: 'v', mountPath: '/x', subPath: '/a', subPathExpr: '/b' }] },
      [
        `${mounts}.subPath: Invalid value: "/a": must be a relative path`,
        `${mounts}[0].subPathExpr: Invalid value: "/b": subPathExpr and subPath are mutually exclusive`,
        `${mounts}.subPathExpr: Invalid value: "/b": must be a relative path`,
      ],
    ],
    [
      { volumeMounts: [{ name: 'v', mountPath: '/x', mountPropagation: 'Both' }] },
      [
        `${mounts}.mountPropagation: Unsupported value: "Both": supported values: "Bidirectional", "HostToContainer", "None"`,
      ],
    ],
    [
      { volumeMounts: [{ name: 'v', mountPath: '/x', recursiveReadOnly: 'Yes' }] },
      [
        `${mounts}.recursiveReadOnly: Unsupported value: "Yes": supported values: "Disabled", "Enabled", "IfPossible"`,
      ],
    ],
    [
      {
        volumeMounts: [
          { name: 'v', mountPath: '/x', recursiveReadOnly: 'Enabled', mountPropagation: 'HostToContainer' },
        ],
      },
      [
        `${mounts}.recursiveReadOnly: Forbidden: may only be specified when readOnly is true`,
        `${mounts}.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified`,
      ],
    ],
    [{ volumeMounts: [{ name: 'v', mountPath: '/x', readOnly: true, recursiveReadOnly: 'IfPossible' }] }, []],
  ])('%j', (part, expected) => {
    expect(podRefusals({ volumes: [{ name: 'v', emptyDir: {} }] }, part)).toEqual(expected);
  });
});
