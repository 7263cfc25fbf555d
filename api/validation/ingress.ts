/** Ingresses and their classes. Source: Kubernetes API reference, IngressSpec, IngressClassSpec. */
import { parseAddress } from '#machinery/values/cidr.ts';
import type { Ingress, IngressClass } from '../objects.ts';
import type { Faults } from './faults.ts';
import { checkBalancerName } from './load-balancer.ts';
import {
  dns1035LabelFaults,
  dnsLabelFaults,
  dnsSubdomainFaults,
  domainPathFaults,
  portNameFaults,
  portNumberFaults,
  wildcardSubdomainFaults,
} from './names.ts';
import { checkIp } from './pod-spec.ts';
import { checkTypedReference } from './references.ts';

type Spec = NonNullable<Ingress['spec']>;
type Backend = NonNullable<Spec['defaultBackend']>;
type Path = NonNullable<NonNullable<Spec['rules']>[number]['http']>['paths'][number];
type Parameters = NonNullable<NonNullable<IngressClass['spec']>['parameters']>;

/** Named the class before spec.ingressClassName did. */
export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

const NOT_AN_ADDRESS = 'must be a DNS name, not an IP address';
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
/** What a proxy and its backend may read differently. */
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDS = ['/..', '/.'];

export function checkIngress(ingress: Ingress, faults: Faults): void {
  const { defaultBackend, rules = [], tls = [], ingressClassName } = ingress.spec ?? {};
  if (rules.length === 0 && !defaultBackend) {
    const detail = 'either `defaultBackend` or `rules` must be specified';
    faults.invalid('spec', ingress.spec?.rules, detail);
  }
  if (defaultBackend) checkBackend(defaultBackend, 'spec.defaultBackend', faults);
  for (const [index, { host, http }] of rules.entries()) {
    const at = `spec.rules[${index}]`;
    if (host && parseAddress(host)) faults.invalid(`${at}.host`, host, NOT_AN_ADDRESS);
    if (host) checkHost(host, `${at}.host`, faults);
    if (!http) continue;
    if (!http.paths?.length) faults.required(`${at}.http.paths`);
    for (const [nth, path] of (http.paths ?? []).entries())
      checkPath(path, `${at}.http.paths[${nth}]`, faults);
  }
  for (const [index, { hosts, secretName }] of tls.entries()) {
    const at = `spec.tls[${index}]`;
    for (const [nth, host] of (hosts ?? []).entries()) checkHost(host, `${at}.hosts[${nth}]`, faults);
    if (secretName) faults.invalidFor(`${at}.secretName`, secretName, dnsSubdomainFaults(secretName));
  }
  if (ingressClassName !== undefined) {
    faults.invalidFor('spec.ingressClassName', ingressClassName, dnsSubdomainFaults(ingressClassName));
  }
}

/** The two ways to name a class must agree; later the annotation may be changed at will. */
export function checkNewIngress({ metadata, spec }: Ingress, faults: Faults): void {
  const annotated = metadata.annotations?.[CLASS_ANNOTATION];
  const named = spec?.ingressClassName;
  if (annotated === undefined || named === undefined || annotated === named) return;
  const detail = 'must match `ingressClassName` when both are specified';
  // Kubernetes writes this path without metadata, and with a dot.
  faults.invalid(`annotations.${CLASS_ANNOTATION}`, annotated, detail);
}

function checkHost(host: string, field: string, faults: Faults): void {
  faults.invalidFor(
    field,
    host,
    host.includes('*') ? wildcardSubdomainFaults(host) : dnsSubdomainFaults(host),
  );
}

function checkPath({ path = '', pathType, backend }: Path, at: string, faults: Faults): void {
  if (pathType === undefined) {
    faults.required(`${at}.pathType`, 'pathType must be specified');
    return;
  }
  const field = `${at}.path`;
  const isOpen = pathType === 'ImplementationSpecific';
  if (!PATH_TYPES.includes(pathType)) faults.notSupported(`${at}.pathType`, pathType, PATH_TYPES);
  else {
    const mayBeEmpty = isOpen && path === '';
    if (!path.startsWith('/') && !mayBeEmpty) faults.invalid(field, path, 'must be an absolute path');
    if (!isOpen) {
      for (const part of BAD_SEQUENCES)
        if (path.includes(part)) faults.invalid(field, path, `must not contain '${part}'`);
      for (const end of BAD_ENDS)
        if (path.endsWith(end)) faults.invalid(field, path, `cannot end with '${end}'`);
    }
  }
  checkBackend(backend ?? {}, `${at}.backend`, faults);
}

function checkBackend({ resource, service }: Backend, at: string, faults: Faults): void {
  if (resource && service) {
    faults.invalid(at, '', 'cannot set both resource and service backends');
    return;
  }
  if (resource) {
    checkTypedReference(resource, `${at}.resource`, faults);
    return;
  }
  if (!service) {
    faults.invalid(at, '', 'resource or service backend is required');
    return;
  }
  const { name, port } = service;
  if (!name) faults.required(`${at}.service.name`);
  else faults.invalidFor(`${at}.service.name`, name, dns1035LabelFaults(name));
  if (port?.name && port.number) faults.invalid(at, '', 'cannot set both port name & port number');
  else if (port?.name) faults.invalidFor(`${at}.service.port.name`, port.name, portNameFaults(port.name));
  else if (port?.number)
    faults.invalidFor(`${at}.service.port.number`, port.number, portNumberFaults(port.number));
  else faults.required(at, 'port name or number is required');
}

export function checkIngressStatus({ status }: Ingress, faults: Faults): void {
  for (const [index, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const at = `status.loadBalancer.ingress[${index}]`;
    if (ip) checkIp(ip, `${at}.ip`, faults);
    if (hostname) checkBalancerName(hostname, `${at}.hostname`, faults);
  }
}

const CONTROLLER_MAX_BYTES = 250;

export function checkIngressClass({ spec }: IngressClass, faults: Faults): void {
  const { controller = '', parameters } = spec ?? {};
  if (!controller) faults.required('spec.controller');
  else {
    if (Buffer.byteLength(controller) > CONTROLLER_MAX_BYTES)
      faults.tooLong('spec.controller', CONTROLLER_MAX_BYTES);
    for (const [value, detail] of domainPathFaults(controller))
      faults.invalid('spec.controller', value, detail);
  }
  if (parameters) checkParameters(parameters, 'spec.parameters', faults);
}

const SCOPES = ['Cluster', 'Namespace'];

function checkParameters(parameters: Parameters, at: string, faults: Faults): void {
  checkTypedReference(parameters, at, faults);
  const { scope, namespace } = parameters;
  if (scope === undefined) faults.required(`${at}.scope`);
  else if (!SCOPES.includes(scope)) faults.notSupported(`${at}.scope`, scope, SCOPES);
  else if (scope === 'Cluster') {
    if (namespace !== undefined)
      faults.forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'");
  } else if (namespace === undefined)
    faults.required(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'");
  else faults.invalidFor(`${at}.namespace`, namespace, dnsLabelFaults(namespace));
}
