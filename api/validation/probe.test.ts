import { describe, expect, it } from 'vitest';
import { podRefusals, type Wrong } from '../testing/pods.ts';

describe('a probe', () => {
  const at = 'spec.containers[0]';
  it.each<[Wrong, string[]]>([
    [{ livenessProbe: {} }, [`${at}.livenessProbe: Required value: must specify a handler type`]],
    [
      { livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } },
      [`${at}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`],
    ],
    [{ readinessProbe: { exec: {} } }, [`${at}.readinessProbe.exec.command: Required value`]],
    [
      { readinessProbe: { httpGet: { port: 0, scheme: 'FTP' } } },
      [
        `${at}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
        `${at}.readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"`,
      ],
    ],
    [
      { livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } },
      [`${at}.livenessProbe.successThreshold: Invalid value: 2: must be 1`],
    ],
    [
      { startupProbe: { grpc: { port: 1 }, periodSeconds: -1 } },
      [`${at}.startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0`],
    ],
    [
      { readinessProbe: { tcpSocket: { port: 'a' }, terminationGracePeriodSeconds: 1 } },
      [
        `${at}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes`,
      ],
    ],
    [
      { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
      [
        `${at}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
      ],
    ],
    [
      { livenessProbe: { exec: { command: ['a'] }, terminationGracePeriodSeconds: 0 } },
      [`${at}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0`],
    ],
    [
      { livenessProbe: { httpGet: { port: 'a_b', path: '/', httpHeaders: [{ name: 'X Y', value: '' }] } } },
      [
        `${at}.livenessProbe.httpGet.port: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
        `${at}.livenessProbe.httpGet.httpHeaders: Invalid value: "X Y": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
      ],
    ],
    [
      {
        lifecycle: {
          postStart: { httpGet: { port: 80, path: '' } },
          preStop: { sleep: { seconds: -1 }, exec: {} },
        },
      },
      [
        `${at}.lifecycle.preStop.exec.command: Required value`,
        `${at}.lifecycle.preStop.sleep: Forbidden: may not specify more than 1 handler type`,
      ],
    ],
  ])('%j', (part, expected) => {
    expect(podRefusals({}, part)).toEqual(expected);
  });
});
