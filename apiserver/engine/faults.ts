import { type FieldError, type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { faultMessage, faultText } from '#api/validation/fault-text.ts';
import { type StatusCause, StatusError } from '#machinery/errors.ts';

/** The errors of the engine in the words of Kubernetes: tools and people match on them. Source: apimachinery api/errors. */
type Named = Pick<Kind, 'group' | 'plural'>;
type Typed = Pick<Kind, 'group' | 'kind'>;

export function notFound(kind: Named, name: string): StatusError {
  return new StatusError('NotFound', `${resourceName(kind)} "${name}" not found`, details(kind, name));
}

export function alreadyExists(kind: Named, name: string): StatusError {
  return new StatusError(
    'AlreadyExists',
    `${resourceName(kind)} "${name}" already exists`,
    details(kind, name),
  );
}

const STALE = 'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(kind: Named, name: string, why: string = STALE): StatusError {
  return new StatusError(
    'Conflict',
    `Operation cannot be fulfilled on ${resourceName(kind)} "${name}": ${why}`,
    details(kind, name),
  );
}

export function forbidden(kind: Named, name: string, why: string): StatusError {
  return new StatusError(
    'Forbidden',
    `${resourceName(kind)} "${name}" is forbidden: ${why}`,
    details(kind, name),
  );
}

export function badRequest(message: string): StatusError {
  return new StatusError('BadRequest', message);
}

export function methodNotAllowed(): StatusError {
  return new StatusError(
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );
}

/** Where kube-apiserver keeps the objects of kinds that it once had under other names: conflicts of uids name the place. */
const REGISTRY_FOLDERS: Record<string, string> = {
  nodes: 'minions',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  'ingresses.networking.k8s.io': 'ingress',
};

/** The object is another than the one that was read. Source: apiserver, storage.Preconditions. */
export function uidConflict(kind: Named, { metadata }: ApiObject, wanted: string): StatusError {
  const { name, namespace, uid = '' } = metadata;
  const folder = REGISTRY_FOLDERS[resourceName(kind)] ?? kind.plural;
  const key = ['/registry', folder, ...(namespace ? [namespace] : []), name].join('/');
  const why = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${uid}`;
  return conflict(
    kind,
    name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`,
  );
}

/** A PUT that does not say what it replaces. Source: apiserver, registry.Store: it has the resource for the kind. */
export function versionRequired(kind: Named, name: string): StatusError {
  return invalid({ group: kind.group, kind: kind.plural }, name, [
    {
      type: 'Invalid',
      field: 'metadata.resourceVersion',
      value: 0,
      detail: 'must be specified for an update',
    },
  ]);
}

/** A snapshot or watch position that history no longer reaches. */
export function expired(message: string): StatusError {
  return new StatusError('Expired', message);
}

/** As many faults are told: a list of a million wrong elements must not be answered with a million causes. */
const MAX_CAUSES = 200;

/** All faults of an object in one Status, each as a cause. */
export function invalid(kind: Typed, name: string, faults: FieldError[]): StatusError {
  const told = faults.slice(0, MAX_CAUSES);
  const unique = [...new Set(told.map(faultText))];
  if (faults.length > told.length) unique.push('...');
  const text = unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`;
  const causes: StatusCause[] = told.map((fault) => ({
    reason: `FieldValue${fault.type}`,
    message: faultMessage(fault),
    field: fault.field,
  }));
  const qualified = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  return new StatusError('Invalid', `${qualified} "${name}" is invalid: ${text}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

function details(kind: Named, name: string) {
  return { ...(name && { name }), ...(kind.group && { group: kind.group }), kind: kind.plural };
}
