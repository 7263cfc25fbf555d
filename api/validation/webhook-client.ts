/** How the server reaches webhooks. Source: Kubernetes API reference, WebhookClientConfig. */
import type { Faults } from './faults.ts';
import { dns1035LabelFaults, dnsSubdomainFaults, portNumberFaults } from './names.ts';

export interface WebhookService {
  namespace?: string;
  name?: string;
  path?: string;
  port?: number;
}

const FORM = '; desired format: https://host[/path]';

export interface WebhookClient {
  url?: string;
  service?: WebhookService;
}

export function checkWebhookClient({ url, service }: WebhookClient, field: string, faults: Faults): void {
  if ((url === undefined) === (service === undefined))
    faults.required(field, 'exactly one of url or service is required');
  else if (url !== undefined) checkWebhookUrl(url, `${field}.url`, faults);
  else if (service) checkWebhookService(service, `${field}.service`, faults);
}

function checkWebhookUrl(text: string, field: string, faults: Faults): void {
  const fault = urlFault(text);
  if (fault) {
    faults.required(field, `url must be a valid URL: parse ${JSON.stringify(text)}: ${fault}${FORM}`);
    return;
  }
  const { scheme, user, host, query, fragment } = partsOf(text);
  if (scheme !== 'https') faults.invalid(field, scheme, `'https' is the only allowed URL scheme${FORM}`);
  if (host === '') faults.invalid(field, host, `host must be provided${FORM}`);
  if (user !== undefined) faults.invalid(field, user, 'user information is not permitted in the URL');
  if (fragment) faults.invalid(field, fragment, 'fragments are not permitted in the URL');
  if (query) faults.invalid(field, query, 'query parameters are not permitted in the URL');
}

/** What is no URL at all, as Go's net/url says it. */
function urlFault(text: string): string | undefined {
  if (/\p{Cc}/u.test(text)) return 'net/url: invalid control character in URL';
  if (text.startsWith(':')) return 'missing protocol scheme';
  const escaped = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(text)?.[0];
  if (escaped !== undefined) return `invalid URL escape ${JSON.stringify(escaped)}`;
  const { host } = partsOf(text);
  const character = /[\s"<>\\^`{|}]/.exec(host)?.[0];
  if (character !== undefined) return `invalid character ${JSON.stringify(character)} in host name`;
  const port = /:([^\]]*)$/.exec(host.replace(/^\[.*\]/, ''))?.[1] ?? '';
  return /^[0-9]*$/.test(port) ? undefined : `invalid port ${JSON.stringify(`:${port}`)} after host`;
}

/** RFC 3986, appendix B, with the authority taken apart. The parser of URLs would add what is missing. */
function partsOf(text: string) {
  const found = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  const [, scheme = '', authority = '', query = '', fragment = ''] = found ?? [];
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? undefined : authority.slice(0, at);
  return { scheme, user, host: authority.slice(at + 1), query, fragment };
}

/** Kubernetes mistakes the name for the namespace and the other way round when one is missing: so do these faults. */
function checkWebhookService(service: WebhookService, field: string, faults: Faults): void {
  const { namespace, name, path, port = 0 } = service;
  if (!namespace) faults.required(`${field}.name`, 'service name is required');
  if (!name) faults.required(`${field}.namespace`, 'service namespace is required');
  const details = portNumberFaults(port).map((fault) => `port is not valid: ${fault}`);
  faults.invalidFor(`${field}.port`, port, details);
  if (path && path !== '/') faults.invalidFor(`${field}.path`, path, pathFaults(path));
}

function pathFaults(path: string): string[] {
  if (path === '//') return ['segment[0] may not be empty'];
  const start = path.startsWith('/') ? [] : ["must start with a '/'"];
  const segments = path.slice(1).replace(/\/$/, '').split('/');
  return [
    ...start,
    ...segments.flatMap((segment, index) =>
      segment === ''
        ? [`segment[${index}] may not be empty`]
        : dnsSubdomainFaults(segment).map((fault) => `segment[${index}]: ${fault}`),
    ),
  ];
}

/** Versions of reviews that the server can send. */
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

/** Which versions of a review a webhook understands; `detail` of what is missing when there are none. */
export function checkReviewVersions(
  versions: readonly string[],
  field: string,
  detail: string,
  faults: Faults,
): void {
  if (versions.length === 0) {
    faults.required(field, detail);
    return;
  }
  for (const [index, version] of versions.entries()) {
    const at = `${field}[${index}]`;
    if (versions.indexOf(version) < index) faults.invalid(at, version, 'duplicate version');
    else faults.invalidFor(at, version, dns1035LabelFaults(version));
  }
  if (!versions.some((version) => REVIEW_VERSIONS.includes(version)))
    faults.invalid(field, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`);
}
