import { describe, expect, it } from 'vitest';
import { IngressKind } from '../kinds/ingress.ts';
import { IngressClassKind } from '../kinds/ingress-class.ts';
import { changeFaultsOf, faultsOf, made, statusFaultsOf } from '../specimens/made.ts';
import { faultText } from './fault-text.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WILDCARD =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

const service = { name: 'a', port: { number: 80 } };
const rules = (...list: object[]) => ({ rules: list });
const path = (parts: object) =>
  rules({ http: { paths: [{ pathType: 'Exact', backend: { service }, ...parts }] } });
const at = 'spec.rules[0].http.paths[0]';

describe('an ingress', () => {
  it.each<[string, object, string[]]>([
    [
      'nothing to answer with',
      {},
      ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
    ],
    [
      'hosts that are none',
      rules({ host: '10.0.0.1' }, { host: 'a_b' }, { host: 'a.*.b' }, { host: '*' }),
      [
        'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        `spec.rules[1].host: Invalid value: "a_b": ${SUBDOMAIN}`,
        `spec.rules[2].host: Invalid value: "a.*.b": ${WILDCARD}`,
        `spec.rules[3].host: Invalid value: "*": ${WILDCARD}`,
      ],
    ],
    [
      'a host that is too long',
      rules({ host: `*.${'a'.repeat(252)}` }),
      [`spec.rules[0].host: Invalid value: "*.${'a'.repeat(252)}": must be no more than 253 characters`],
    ],
    ['a rule without paths', rules({ http: {} }), ['spec.rules[0].http.paths: Required value']],
    [
      'a path without a type',
      path({ pathType: undefined, path: '/' }),
      [`${at}.pathType: Required value: pathType must be specified`],
    ],
    [
      'a path of an unknown type',
      path({ pathType: 'Regex', path: '/' }),
      [
        `${at}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
      ],
    ],
    ['no path', path({}), [`${at}.path: Invalid value: "": must be an absolute path`]],
    [
      'a relative path, of any type',
      path({ pathType: 'ImplementationSpecific', path: 'a' }),
      [`${at}.path: Invalid value: "a": must be an absolute path`],
    ],
    [
      'a path that can be read in two ways',
      path({ path: '//%2f/./%2F/../a/..' }),
      [
        ...['//', '/./', '/../', '%2f', '%2F'].map(
          (part) => `${at}.path: Invalid value: "//%2f/./%2F/../a/..": must not contain '${part}'`,
        ),
        `${at}.path: Invalid value: "//%2f/./%2F/../a/..": cannot end with '/..'`,
      ],
    ],
    [
      'a path that ends in itself',
      path({ pathType: 'Prefix', path: '/a/.' }),
      [`${at}.path: Invalid value: "/a/.": cannot end with '/.'`],
    ],
    [
      'a path without a backend',
      path({ path: '/', backend: undefined }),
      [`${at}.backend: Invalid value: "": resource or service backend is required`],
    ],
    [
      'two backends for one path',
      { defaultBackend: { service, resource: { kind: 'a', name: 'b' } } },
      ['spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'],
    ],
    [
      'an empty service',
      { defaultBackend: { service: {} } },
      [
        'spec.defaultBackend.service.name: Required value',
        'spec.defaultBackend: Required value: port name or number is required',
      ],
    ],
    [
      'a service of a wrong name and two ports',
      { defaultBackend: { service: { name: '1', port: { name: 'a', number: 1 } } } },
      [
        `spec.defaultBackend.service.name: Invalid value: "1": ${DNS_1035}`,
        'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
      ],
    ],
    [
      'a port of a wrong name',
      { defaultBackend: { service: { name: 'a', port: { name: '1' } } } },
      ['spec.defaultBackend.service.port.name: Invalid value: "1": must contain at least one letter (a-z)'],
    ],
    [
      'a port beyond all ports',
      { defaultBackend: { service: { name: 'a', port: { number: 65536 } } } },
      [
        'spec.defaultBackend.service.port.number: Invalid value: 65536: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      'an empty resource',
      { defaultBackend: { resource: { apiGroup: 'A' } } },
      [
        `spec.defaultBackend.resource.apiGroup: Invalid value: "A": ${SUBDOMAIN}`,
        'spec.defaultBackend.resource.kind: Required value',
        'spec.defaultBackend.resource.name: Required value',
      ],
    ],
    [
      'a resource that fits into no path',
      { defaultBackend: { resource: { kind: 'a/b', name: '..' } } },
      [
        'spec.defaultBackend.resource.kind: Invalid value: "a/b": may not contain \'/\'',
        'spec.defaultBackend.resource.name: Invalid value: "..": may not be \'..\'',
      ],
    ],
    [
      'wrong names of hosts and secrets for TLS',
      { defaultBackend: { service }, tls: [{ hosts: ['A', '*a'], secretName: 'S' }] },
      [
        `spec.tls[0].hosts[0]: Invalid value: "A": ${SUBDOMAIN}`,
        `spec.tls[0].hosts[1]: Invalid value: "*a": ${WILDCARD}`,
        `spec.tls[0].secretName: Invalid value: "S": ${SUBDOMAIN}`,
      ],
    ],
    [
      'a wrong name of a class',
      { defaultBackend: { service }, ingressClassName: 'A' },
      [`spec.ingressClassName: Invalid value: "A": ${SUBDOMAIN}`],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(IngressKind, { spec })).toEqual(faults);
  });

  it('begins with one class, however it is named', () => {
    const classed = (annotation: string) => {
      const metadata = { annotations: { 'kubernetes.io/ingress.class': annotation } };
      const spec = { ingressClassName: 'a', defaultBackend: { service } };
      return IngressKind.strategy.validateCreate!(made(IngressKind, { metadata, spec })).map(faultText);
    };
    expect(classed('a')).toEqual([]);
    expect(classed('b')).toEqual([
      'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are specified',
    ]);
  });

  it('has sound addresses in its status', () => {
    const ingress = [
      { ip: 'x' },
      { hostname: 'a_b' },
      { hostname: '10.0.0.1' },
      { ip: '::1', hostname: 'a.b' },
    ];
    expect(statusFaultsOf(IngressKind, { loadBalancer: { ingress } })).toEqual([
      'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      `status.loadBalancer.ingress[1].hostname: Invalid value: "a_b": ${SUBDOMAIN}`,
      'status.loadBalancer.ingress[2].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ]);
  });
});

const controller = 'example.com/proxy';
const parameters = (parts: object) => ({ controller, parameters: { kind: 'k', name: 'n', ...parts } });

describe('an ingress class', () => {
  it.each<[string, object, string[]]>([
    ['no controller', {}, ['spec.controller: Required value']],
    [
      'a controller without a domain',
      { controller: 'proxy' },
      ['spec.controller: Invalid value: "proxy": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      'a controller of a wrong domain and path',
      { controller: 'A/b c' },
      [
        `spec.controller: Invalid value: "A": ${SUBDOMAIN}`,
        "spec.controller: Invalid value: \"b c\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
      ],
    ],
    [
      'a controller that is too long',
      { controller: `a/${'b'.repeat(249)}` },
      ['spec.controller: Too long: may not be more than 250 bytes'],
    ],
    [
      'empty parameters',
      { controller, parameters: {} },
      ['spec.parameters.kind: Required value', 'spec.parameters.name: Required value'],
    ],
    [
      'parameters of an unknown scope',
      parameters({ scope: 'World' }),
      ['spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"'],
    ],
    [
      'a namespace for parameters of the cluster',
      parameters({ namespace: 'a' }),
      ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ],
    [
      'no namespace for parameters of one',
      parameters({ scope: 'Namespace' }),
      ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ],
    [
      'a wrong namespace',
      parameters({ scope: 'Namespace', namespace: 'a.b' }),
      ['spec.parameters.namespace: Invalid value: "a.b": must not contain dots'],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(IngressClassKind, { spec })).toEqual(faults);
  });

  it('keeps its controller', () => {
    const other = { spec: { controller: 'example.com/other' } };
    expect(changeFaultsOf(IngressClassKind, { spec: { controller } }, other)).toEqual([
      'spec.controller: Invalid value: "example.com/other": field is immutable',
    ]);
  });

  it('must say of what scope its parameters are, once defaults have been applied', () => {
    const bare = made(IngressClassKind, { spec: parameters({}) });
    delete bare.spec!.parameters!.scope;
    expect(IngressClassKind.strategy.validate(bare).map(faultText)).toEqual([
      'spec.parameters.scope: Required value',
    ]);
  });
});
