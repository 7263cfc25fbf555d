import { type Cidr, cidrContains, cidrOf, parseAddress, parseCidr } from '../values/cidr.ts';

/** What is said of proxies, as in the variables of the environment that curl and programs in Go read. */
export interface ProxySettings {
  /** For `https://` targets: HTTPS_PROXY. */
  https?: string | undefined;
  /** For `http://` targets: HTTP_PROXY. */
  http?: string | undefined;
  /** What is reached without: NO_PROXY. */
  none?: string | undefined;
}

/** The proxy for a target, with its credentials; undefined when it is reached without. */
export type ProxyFor = (target: URL) => URL | undefined;

const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/**
 * Throws for a proxy that is none. What lies on this machine's loopback is never reached by one. Source: golang.org/x/net/http/httpproxy,
 * whose NO_PROXY is a list of hosts (which stand for their subdomains too), `.suffixes`, addresses and CIDRs, each with a port or
 * without, or `*`.
 */
export function proxyRules({ https, http, none = '' }: ProxySettings): ProxyFor {
  const proxies: Record<string, URL | undefined> = { 'https:': parseProxy(https), 'http:': parseProxy(http) };
  const exceptions = [isLoopback, ...none.split(',').flatMap(exceptionOf)];
  return (target) => {
    const proxy = proxies[target.protocol];
    if (!proxy) return undefined;
    const host = target.hostname.toLowerCase().replace(/^\[|\]$|\.$/g, '');
    const port = target.port || DEFAULT_PORTS[target.protocol]!;
    if (exceptions.some((matches) => matches(host, port))) return undefined;
    return proxy;
  };
}

/** `http://[USER:PASSWORD@]HOST[:PORT]`, `https://` for TLS to the proxy itself, or without a scheme. */
export function parseProxy(text: string | undefined): URL | undefined {
  if (!text) return undefined;
  const whole = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  // What it is, is not told: there may be a password in it.
  if (!url?.hostname || !DEFAULT_PORTS[url.protocol])
    throw new Error('this is no proxy: write it as http://HOST:PORT or https://USER:PASSWORD@HOST:PORT');
  return url;
}

type Exception = (host: string, port: string) => boolean;

const LOOPBACK = [parseCidr('127.0.0.0/8')!, parseCidr('::1/128')!];

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  return address ? LOOPBACK.some((cidr) => cidrContains(cidr, address)) : host === 'localhost';
}

/** None, for an entry that says nothing. */
function exceptionOf(entry: string): Exception[] {
  const text = entry.trim().toLowerCase();
  if (text === '*') return [() => true];
  const cidr = parseCidr(text);
  if (cidr) return [ofAddresses(cidr, '')];
  const { host, port } = splitPort(text);
  const address = parseAddress(host);
  if (address) return [ofAddresses(cidrOf(address, address.family === 4 ? 32 : 128), port)];
  const name = host.replace(/^\*\./, '.');
  return name === '' || name === '.' ? [] : [ofNames(name, port)];
}

function ofAddresses(cidr: Cidr, port: string): Exception {
  return (host, asked) => {
    const address = parseAddress(host);
    return address !== undefined && cidrContains(cidr, address) && (port === '' || port === asked);
  };
}

/** `.example.com`: all below it; `example.com`: itself as well. No address is below a name, whatever its digits. */
function ofNames(name: string, port: string): Exception {
  const below = name.startsWith('.') ? name : `.${name}`;
  return (host, asked) =>
    (host.endsWith(below) || host === name) && !parseAddress(host) && (port === '' || port === asked);
}

/** `host:port`, `[v6]:port`, or a host alone, which may be a bare IPv6 address. */
function splitPort(text: string): { host: string; port: string } {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text);
  if (!match) return { host: text, port: '' };
  return { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' };
}
