import { type Digest, ImageError } from './contract.ts';

/** A parsed image reference. Source: OCI distribution-spec 1.1 "Pulling manifests", and Docker's short forms. */
export interface Reference {
  /** `docker.io`, `localhost:5000`. */
  registry: string;
  /** `library/nginx`. */
  repository: string;
  tag: string | undefined;
  digest: Digest | undefined;
}

const DEFAULT_REGISTRY = 'docker.io';
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;

/**
 * Parses `name[:tag][@digest]`. Without a registry it is docker.io, without a slash there `library/`; without tag and
 * digest the tag is `latest`. Throws ImageError InvalidReference.
 */
export function parseReference(text: string): Reference {
  const invalid = (why: string) =>
    new ImageError('InvalidReference', `invalid reference format: "${text}": ${why}`);
  const [named, digest, ...rest] = text.split('@');
  if (!named) throw invalid('the name is empty');
  if (rest.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw invalid('a digest is sha256: and 64 hexadecimal digits');
  }
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(`"${tag}" is not a tag`);
  const { registry, repository } = splitName(colon < 0 ? named : named.slice(0, colon));
  if (!REGISTRY.test(registry)) throw invalid(`"${registry}" is not a registry`);
  if (/[A-Z]/.test(repository)) throw invalid('the repository name must be lowercase');
  if (!REPOSITORY.test(repository) || repository.length > 255)
    throw invalid(`"${repository}" is not a repository`);
  return { registry, repository, tag: tag ?? (digest ? undefined : 'latest'), digest };
}

/** The first part is a registry when it looks like a host. */
function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost';
  if (!isHost) return { registry: DEFAULT_REGISTRY, repository: slash < 0 ? `library/${name}` : name };
  const registry = first === 'index.docker.io' ? DEFAULT_REGISTRY : first;
  const repository = name.slice(slash + 1);
  const official = registry === DEFAULT_REGISTRY && !repository.includes('/');
  return { registry, repository: official ? `library/${repository}` : repository };
}

/** The whole form, `docker.io/library/nginx:latest`: the key of the image store. */
export function canonicalName(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}

/** How people write it: without `docker.io/library/`. */
export function familiarName(reference: Reference): string {
  const name = canonicalName(reference);
  return name.replace(/^docker\.io\/(?:library\/)?/, '');
}

/** What an image is kept under: the tag it was asked by, and the digest it turned out to be. */
export function namesOf(reference: Reference, digest: Digest): string[] {
  const byDigest = canonicalName({ ...reference, tag: undefined, digest });
  return reference.tag === undefined
    ? [byDigest]
    : [canonicalName({ ...reference, digest: undefined }), byDigest];
}
