/** What one connection may cost before it has asked for anything. Source: kube-apiserver's http.Server, where it has one. */
export interface HttpLimits {
  /** For the TLS handshake, and for the head of a request. */
  headMs: number;
  /** For the whole of a request, its body with it. */
  requestMs: number;
  /** Nothing is open on it. */
  idleMs: number;
  /** Of the head of a request. */
  headBytes: number;
  headers: number;
  /** How often Node looks for requests over HTTP/1 that are too slow. */
  checkMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  headMs: 32_000,
  // Longer than any deadline, whose end says more.
  requestMs: 90_000,
  idleMs: 90_000,
  headBytes: 64 * 1024,
  headers: 256,
  checkMs: 5_000,
};
