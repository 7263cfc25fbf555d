import { StatusError } from '#machinery/errors.ts';

/** What kubectl shows as "the server could not find the requested resource". */
export function unknownPath(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource', {});
}
