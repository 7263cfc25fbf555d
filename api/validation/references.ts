/** References to objects of any kind. Source: Kubernetes API conventions, "Object references". */
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults, pathSegmentFaults } from './names.ts';

/** A part of a reference that must be there and fit into a path. */
export function checkPathPart(value: string | undefined, field: string, faults: Faults): void {
  if (!value) faults.required(field);
  else faults.invalidFor(field, value, pathSegmentFaults(value));
}

/** TypedLocalObjectReference, and what else names a group, a kind and an object. */
export function checkTypedReference(
  reference: { apiGroup?: string; kind?: string; name?: string },
  field: string,
  faults: Faults,
): void {
  const { apiGroup, kind, name } = reference;
  if (apiGroup !== undefined) faults.invalidFor(`${field}.apiGroup`, apiGroup, dnsSubdomainFaults(apiGroup));
  checkPathPart(kind, `${field}.kind`, faults);
  checkPathPart(name, `${field}.name`, faults);
}
