import { describe, expect, it } from 'vitest';
import { QUALIFIED, SUBDOMAIN } from '../testing/name-texts.ts';
import { podRefusals, type Wrong } from '../testing/pods.ts';

const value = 'spec.containers[0].env[0].valueFrom';
const BYTES = '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei';
const from = (valueFrom: Wrong): Wrong => ({ env: [{ name: 'A', valueFrom }] });

describe('an environment', () => {
  it.each<[Wrong, string[]]>([
    [{ env: [{ name: '' }] }, ['spec.containers[0].env[0].name: Required value']],
    [
      { env: [{ name: 'A=B' }] },
      [
        'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: {} }] },
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      ],
    ],
    [
      { env: [{ name: 'A', value: 'b', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
      ],
    ],
    [
      {
        env: [
          {
            name: 'A',
            valueFrom: { secretKeyRef: { name: 's' }, configMapKeyRef: { name: 'm', key: 'a/b' } },
          },
        ],
      },
      [
        `spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
        'spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value',
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.none' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.none": error converting fieldPath: field label not supported: spec.none',
      ],
    ],
    [{ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] }, []],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.name['app']" } } }] },
      [
        `${value}.fieldRef.fieldPath: Invalid value: "metadata.name['app']": error converting fieldPath: field label does not support subscript: metadata.name['app']`,
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.disk' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] },
      [
        `spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
      ],
    ],
    [
      { envFrom: [{}] },
      ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ],
    [
      { envFrom: [{ configMapRef: {} }] },
      ['spec.containers[0].envFrom[0].configMapRef.name: Required value'],
    ],
    [
      from({ fieldRef: { apiVersion: 'v2', fieldPath: 'metadata.name' } }),
      [
        `${value}.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2`,
      ],
    ],
    [from({ fieldRef: { fieldPath: '' } }), [`${value}.fieldRef.fieldPath: Required value`]],
    [
      from({ fieldRef: { fieldPath: "metadata.labels['-']" } }),
      [`${value}.fieldRef: Invalid value: "-": name part ${QUALIFIED}`],
    ],
    [
      from({ fieldRef: { fieldPath: "metadata.annotations['A_']" } }),
      [`${value}.fieldRef: Invalid value: "a_": name part ${QUALIFIED}`],
    ],
    [from({ resourceFieldRef: {} }), [`${value}.resourceFieldRef.resource: Required value`]],
    [
      from({ resourceFieldRef: { resource: 'requests.memory', divisor: '3' } }),
      [
        `${value}.resourceFieldRef.divisor: Invalid value: "requests.memory": only divisor's values ${BYTES} are supported with the memory resource`,
      ],
    ],
    [
      from({ resourceFieldRef: { resource: 'limits.ephemeral-storage', divisor: '1m' } }),
      [
        `${value}.resourceFieldRef.divisor: Invalid value: "limits.ephemeral-storage": only divisor's values ${BYTES} are supported with the local ephemeral storage resource`,
      ],
    ],
    [
      from({ resourceFieldRef: { resource: 'limits.hugepages-2Mi', divisor: '1m' } }),
      [
        `${value}.resourceFieldRef.divisor: Invalid value: "limits.hugepages-2Mi": only divisor's values ${BYTES} are supported with the hugepages resource`,
      ],
    ],
    [
      from({ secretKeyRef: { name: 'a_b', key: '..' } }),
      [
        `${value}.secretKeyRef.name: Invalid value: "a_b": ${SUBDOMAIN}`,
        `${value}.secretKeyRef.key: Invalid value: "..": must not be '..'`,
      ],
    ],
    [
      { envFrom: [{ prefix: 'A=', configMapRef: { name: 'a-' }, secretRef: { name: 'a_' } }] },
      [
        `spec.containers[0].envFrom[0].prefix: Invalid value: "A=": a valid environment variable name must consist only of printable ASCII characters other than '='`,
        `spec.containers[0].envFrom[0].secretRef.name: Invalid value: "a_": ${SUBDOMAIN}`,
        'spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time',
      ],
    ],
  ])('%j', (part, expected) => {
    expect(podRefusals({}, part)).toEqual(expected);
  });
});
