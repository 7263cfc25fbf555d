import type { Duplex } from 'node:stream';
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import type { Identity, TransportRequest, TransportResponse, Upgraded } from '#machinery/transport.ts';
import type { RequestTrace } from './trace.ts';

/**
 * The seams inside the server. The request chain is an ordered list (chain.ts): authenticate → audit → authorize →
 * decode → admit → validate → store → encode. Authenticators, admission plugins and subresources are ordered lists
 * too; none registers itself.
 */

/** What a request is about, worked out from its method and path. Source: Kubernetes RequestInfo. */
export interface RequestInfo {
  /** get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for other paths. */
  verb: string;
  /** False for /healthz, /version, /apis and the like. */
  isResource: boolean;
  path: string;
  group: string;
  version: string;
  /** Plural; empty when it is not about a resource. */
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  query: URLSearchParams;
}

/** What came with the connection and headers, before anybody has judged it. */
export interface Credentials {
  /** DER of the client's certificate, when TLS has verified it against the client CA. */
  certificate?: Uint8Array;
  /** Value of the Authorization header. */
  authorization?: string;
}

export interface Authenticator {
  name: string;
  /** Undefined = not mine. Rejects with a StatusError Unauthorized when the credentials are mine but wrong. */
  authenticate(credentials: Credentials): Promise<Identity | undefined>;
}

export interface AuthorizationAttributes {
  identity: Identity;
  verb: string;
  isResource: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  path: string;
  /** The field selector of a list, watch or deletecollection: a node may list only the pods bound to it. */
  fieldSelector?: string;
}

export type Decision =
  | { allowed: true; reason: string }
  | { allowed: false; denied: boolean; reason: string };

export interface ResourceRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames: string[];
}

/** Synchronous and from memory: it is on every request's path. */
export interface Authorizer {
  authorize(attributes: AuthorizationAttributes): Decision;
  /** For SelfSubjectRulesReview. */
  rules(
    identity: Identity,
    namespace: string,
  ): { resources: ResourceRule[]; paths: { verbs: string[]; nonResourceURLs: string[] }[] };
}

/** One request on its way through the chain. */
export interface RequestContext {
  info: RequestInfo;
  request: TransportRequest;
  identity: Identity;
  /** For logs, audit and the cause kept with a stored value. */
  requestId: string;
  /** Sent as Warning headers (RFC 9110, code 299). */
  warnings: string[];
  signal: AbortSignal;
  /** Where its time goes; not of the server's own writes. */
  trace?: RequestTrace;
  /** By what it was let in, or refused. */
  place?: Place;
}

/** A flow schema and a priority level, as objects. */
export interface Place {
  schema: { readonly uid?: string | undefined };
  level: { readonly uid?: string | undefined };
}

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionRequest<T extends ApiObject = ApiObject> {
  operation: AdmissionOperation;
  kind: Kind<T>;
  subresource: string;
  namespace: string;
  name: string;
  identity: Identity;
  /** The new object (undefined on DELETE); mutating plugins change it in place. */
  object: T | undefined;
  old: T | undefined;
  dryRun: boolean;
  context: RequestContext;
}

/** Plugins run in the order of their list: all `mutate`, then all `validate`. They reject with a StatusError. */
export interface AdmissionPlugin {
  name: string;
  mutate?(request: AdmissionRequest, objects: ObjectReader): Promise<void> | void;
  validate?(request: AdmissionRequest, objects: ObjectReader): Promise<void> | void;
}

/** Reads of the server's own cache, for admission and authorization: parsed objects, at most one commit behind. */
export interface ObjectReader {
  get<T extends ApiObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined;
  list<T extends ApiObject>(kind: Kind<T>, namespace?: string): readonly T[];
  /** Resolves when reads show every write that was acknowledged before the call. */
  fresh(): Promise<void>;
  /** Calls for each change of the kind; existing objects first. */
  onChange<T extends ApiObject>(
    kind: Kind<T>,
    listener: (key: string, object: T | undefined) => void,
  ): () => void;
}

/** Writes from inside the server through the whole engine (defaults, validation, allocation), without HTTP. */
export interface ObjectWriter {
  create<T extends ApiObject>(kind: Kind<T>, object: T, actor: string): Promise<T>;
  /** Reads, changes and writes until there is no conflict (bounded). */
  update<T extends ApiObject>(
    kind: Kind<T>,
    name: string,
    namespace: string | undefined,
    actor: string,
    change: (object: T) => T,
  ): Promise<T>;
}

/** A subresource, virtual or computed kind with a handler of its own: log, exec, binding, eviction, token, reviews. */
export interface ResourceHandler {
  /** `pods/log`, `serviceaccounts/token`, `selfsubjectaccessreviews.authorization.k8s.io`. */
  resource: string;
  /** `body` is the decoded object of a POST or PUT. */
  serve?(
    context: RequestContext,
    body: ApiObject | undefined,
    engine: Engine,
  ): Promise<TransportResponse | ApiObject>;
  /** All objects of a computed kind, as they are now. */
  objects?(): Promise<readonly ApiObject[]>;
  /** For requests with an Upgrade header. The handler owns the raw connection from then on. */
  upgrade?(context: RequestContext, client: Duplex, engine: Engine): Promise<Upgraded | undefined>;
}

/** What handlers may use of the server. */
export interface Engine extends ObjectReader, ObjectWriter {}

/** Serves one path that is about no resource, to whoever RBAC (`nonResourceURLs`) lets. */
export interface PathHandler {
  /** A pattern: what it holds is the handler's to read, from `info.path`. */
  path: string | RegExp;
  /** Lower-case method: what is asked for in RBAC too. */
  verb: 'get' | 'post';
  serve(context: RequestContext): Promise<TransportResponse>;
}
