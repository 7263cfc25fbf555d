/** How the server reaches webhooks. Source: Kubernetes API reference, WebhookClientConfig. */
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults, portNumberFaults } from './names.ts';

export interface WebhookService {
  namespace?: string;
  name?: string;
  path?: string;
  port?: number;
}

const FORM = '; desired format: https://host[/path]';

export function checkWebhookUrl(text: string, field: string, faults: Faults): void {
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

export function checkWebhookService(service: WebhookService, field: string, faults: Faults): void {
  const { namespace, name, path, port = 0 } = service;
  if (!name) faults.required(`${field}.name`, 'service name is required');
  if (!namespace) faults.required(`${field}.namespace`, 'service namespace is required');
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
