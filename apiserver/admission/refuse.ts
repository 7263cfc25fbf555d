import { resourceName } from '#api/kind.ts';
import { type StatusCause, StatusError } from '#machinery/errors.ts';
import type { AdmissionRequest } from '../contract.ts';

/** The Forbidden error of a plugin, in the words of Kubernetes: `pods "x" is forbidden: why`. */
export function refusal(
  request: Pick<AdmissionRequest, 'kind' | 'name' | 'object'>,
  why: string,
  causes?: StatusCause[],
): StatusError {
  const name = request.name || request.object?.metadata.generateName || '';
  const subject = name ? `${resourceName(request.kind)} ${JSON.stringify(name)}` : resourceName(request.kind);
  return new StatusError('Forbidden', `${subject} is forbidden: ${why}`, {
    name,
    ...(request.kind.group && { group: request.kind.group }),
    kind: request.kind.plural,
    ...(causes && { causes }),
  });
}
