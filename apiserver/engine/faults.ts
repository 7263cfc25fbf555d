import { type FieldError, type Kind, resourceName } from '#api/kind.ts';
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

export function methodNotAllowed(kind: Named, action: string): StatusError {
  return new StatusError(
    'MethodNotAllowed',
    `${action} is not supported on resources of kind "${resourceName(kind)}"`,
    {
      ...(kind.group && { group: kind.group }),
      kind: kind.plural,
    },
  );
}

/** A snapshot or watch position that history no longer reaches. */
export function expired(message: string): StatusError {
  return new StatusError('Expired', message);
}

/** All faults of an object in one Status, each as a cause. */
export function invalid(kind: Typed, name: string, faults: FieldError[]): StatusError {
  const messages = faults.map(faultText);
  const unique = [...new Set(messages)];
  const text = unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`;
  const causes: StatusCause[] = faults.map((fault) => ({
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
