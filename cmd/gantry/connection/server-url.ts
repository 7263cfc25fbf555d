import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { Option } from 'commander';

/** `https://HOST:PORT` of a server, without more. Throws for what is none. */
export function serverUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.search !== '')
    throw new Error(`${JSON.stringify(text)} is no server: write it as https://10.0.0.1:6443`);
  return url.origin;
}

/** The host of a server's URL, an IPv6 address without its brackets. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

/** Whether who shows this certificate (PEM or DER) is believed to be that host. */
export function isNamedBy(certificate: string | Uint8Array, host: string): boolean {
  const shown = new X509Certificate(certificate);
  return (isIP(host) === 0 ? shown.checkHost(host) : shown.checkIP(host)) !== undefined;
}

/** `--server` of commands that tell others where to ask. */
export function serverOption(): Option {
  return new Option(
    '--server <url>',
    'where others are to ask: a name with the addresses of all servers (see --tls-san), a load balancer',
  ).argParser(serverUrlOf);
}
