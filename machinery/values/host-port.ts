/** `host:port`, an IPv6 address in brackets. Source: RFC 3986 3.2.2. */
export function hostPort(host: string, port: number | string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
