import type { Container, Probe } from '../objects.ts';
import { canonicalQuantities, canonicalQuantityOr } from './quantities.ts';

/** The defaults of app, init and ephemeral containers. Source: Kubernetes API reference, Container. */
export function defaultContainer(container: Omit<Container, 'resizePolicy'>): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '');
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  canonicalQuantities(container.resources.requests);
  canonicalQuantities(container.resources.limits);
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) if (valueFrom) defaultFieldRef(valueFrom);
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHttpGet(container.lifecycle?.postStart?.httpGet);
  defaultHttpGet(container.lifecycle?.preStop?.httpGet);
}

/** References to fields and resources of the pod itself: env variables and downward API files. */
export function defaultFieldRef(source: {
  fieldRef?: { apiVersion?: string };
  resourceFieldRef?: { divisor?: string };
}): void {
  if (source.fieldRef) source.fieldRef.apiVersion ||= 'v1';
  if (source.resourceFieldRef)
    source.resourceFieldRef.divisor = canonicalQuantityOr(source.resourceFieldRef.divisor ?? '0');
}

/** Images that are tagged latest, or not at all, may change behind their name: they are pulled each time. */
export function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  const [name = '', digest] = image.split('@');
  const last = name.slice(name.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  const tag = colon >= 0 ? last.slice(colon + 1) : digest || image === '' ? '' : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultHttpGet(action: { path?: string; scheme?: string } | undefined): void {
  if (!action) return;
  action.path ||= '/';
  action.scheme ||= 'HTTP';
}
