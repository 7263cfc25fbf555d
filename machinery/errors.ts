/**
 * Errors that cross a room or the wire: a closed union of reasons with total maps to HTTP status and to retry policy.
 * Nothing matches on message text. Source: Kubernetes API conventions, "Response Status Kind".
 */

export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'Invalid'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'UnsupportedMediaType'
  | 'RequestEntityTooLarge'
  | 'TooManyRequests'
  | 'ServerTimeout'
  | 'Timeout'
  | 'ServiceUnavailable'
  | 'InternalError'
  /** On the wire no reason at all: what Kubernetes answers where it has no word for a fault. */
  | 'Unknown';

const HTTP_STATUS: Record<StatusReason, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  UnsupportedMediaType: 415,
  RequestEntityTooLarge: 413,
  TooManyRequests: 429,
  ServerTimeout: 504,
  Timeout: 504,
  ServiceUnavailable: 503,
  InternalError: 500,
  Unknown: 500,
};

/** What a caller may do about it: `refetch` = read again and redo; `backoff` = the same again, later. */
export type Retry = 'never' | 'refetch' | 'backoff';

export const RETRY: Record<StatusReason, Retry> = {
  BadRequest: 'never',
  Unauthorized: 'backoff',
  Forbidden: 'backoff',
  NotFound: 'refetch',
  AlreadyExists: 'refetch',
  Conflict: 'refetch',
  Gone: 'refetch',
  Expired: 'refetch',
  Invalid: 'never',
  MethodNotAllowed: 'never',
  NotAcceptable: 'never',
  UnsupportedMediaType: 'never',
  RequestEntityTooLarge: 'never',
  TooManyRequests: 'backoff',
  ServerTimeout: 'backoff',
  Timeout: 'backoff',
  ServiceUnavailable: 'backoff',
  InternalError: 'backoff',
  Unknown: 'never',
};

export interface StatusCause {
  /** FieldValueRequired, FieldValueInvalid, ... (metav1.CauseType). */
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** metav1.Status on the wire. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  /** `continue`: with which a list in chunks may go on that has lost its snapshot. */
  metadata: { continue?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: StatusReason;
  details?: StatusDetails;
  code?: number;
}

/** An error with a reason of the union above: what a request fails with, on both sides of the wire. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** For Expired: the token with which a list in chunks goes on, of another snapshot. */
  continueToken: string | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails, code = HTTP_STATUS[reason]) {
    super(message);
    this.reason = reason;
    this.code = code;
    this.details = details;
  }

  /** The Status object to send. */
  status(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken === undefined ? {} : { continue: this.continueToken },
      status: 'Failure',
      message: this.message,
      ...(this.reason !== 'Unknown' && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }

  /** The error a Status received from a server stands for. */
  static from(status: Partial<Status>, httpStatus: number): StatusError {
    const reason = status.reason && status.reason in HTTP_STATUS ? status.reason : reasonOf(httpStatus);
    const message = status.message ?? `the server answered ${httpStatus}`;
    const error = new StatusError(reason, message, status.details, httpStatus);
    error.continueToken = status.metadata?.continue;
    return error;
  }
}

/** Whether `error` is a StatusError with one of `reasons` (any reason when none is named). */
export function isStatus(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && (reasons.length === 0 || reasons.includes(error.reason));
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function reasonOf(httpStatus: number): StatusReason {
  const entry = Object.entries(HTTP_STATUS).find(([, code]) => code === httpStatus);
  return (entry?.[0] as StatusReason | undefined) ?? (httpStatus >= 500 ? 'InternalError' : 'BadRequest');
}
