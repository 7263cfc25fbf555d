import type { Container, Probe } from '#api/objects.ts';

export interface HttpTarget {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  path: string;
  headers: Record<string, string>;
}

type HttpGetAction = NonNullable<Probe['httpGet']>;

/** Where an httpGet goes: the pod's address unless the action names a host. Throws when the port has no such name. */
export function httpTarget(action: HttpGetAction, container: Container, podIP: string): HttpTarget {
  const scheme = action.scheme === 'HTTPS' ? 'https' : 'http';
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', accept: '*/*' };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const path = action.path ?? '/';
  return {
    scheme,
    host: action.host || podIP,
    port: portNumber(action.port, container),
    path: path.startsWith('/') ? path : `/${path}`,
    headers,
  };
}

/** A port by number or by the name it has in the container. */
export function portNumber(port: number | string, container: Container): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  const named = container.ports?.find(({ name }) => name === port);
  if (!named) throw new Error(`couldn't find port: ${port}`);
  return named.containerPort;
}
