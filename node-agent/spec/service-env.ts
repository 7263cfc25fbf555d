import type { Service } from '#api/objects.ts';
import { hostPort } from '#machinery/values/host-port.ts';

/**
 * The Docker-links style variables of Services: WEB_SERVICE_HOST, WEB_PORT_80_TCP_ADDR, ... A pod sees the Services of its
 * own namespace (unless enableServiceLinks is false) and always `kubernetes` of the default namespace.
 * Source: Kubernetes documentation, "Discovering services", environment variables.
 */
export function serviceEnv(
  services: Iterable<Service>,
  namespace: string,
  links: boolean,
): Record<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: of } = service.metadata;
    const address = service.spec?.clusterIP;
    if (!address || address === 'None') continue;
    if (of === 'default' && name === 'kubernetes') {
      if (!chosen.has(name)) chosen.set(name, service);
    } else if (links && of === namespace) {
      chosen.set(name, service);
    }
  }
  const env: Record<string, string> = {};
  for (const service of chosen.values()) Object.assign(env, variablesOf(service));
  return env;
}

function variablesOf(service: Service): Record<string, string> {
  const name = service.metadata.name.toUpperCase().replaceAll('-', '_');
  const host = service.spec!.clusterIP!;
  const ports = service.spec?.ports ?? [];
  const env: Record<string, string> = { [`${name}_SERVICE_HOST`]: host };
  const first = ports[0];
  if (!first) return env;
  env[`${name}_SERVICE_PORT`] = String(first.port);
  for (const port of ports) {
    const protocol = port.protocol ?? 'TCP';
    const url = `${protocol.toLowerCase()}://${hostPort(host, port.port)}`;
    const prefix = `${name}_PORT_${port.port}_${protocol}`;
    if (port === first) env[`${name}_PORT`] = url;
    if (port.name)
      env[`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
    env[prefix] = url;
    env[`${prefix}_PROTO`] = protocol.toLowerCase();
    env[`${prefix}_PORT`] = String(port.port);
    env[`${prefix}_ADDR`] = host;
  }
  return env;
}
