import { InvalidArgumentError } from 'commander';
import { type ProxyFor, parseProxy, proxyRules } from '#machinery/proxy/rules.ts';

/** By which `join` tells the roles that it starts what `--proxy` said: a password must not stand in their arguments. */
export const SERVER_PROXY = 'GANTRY_PROXY';

/** What a unit must pass on, for what it starts to reach servers and registries. */
export const PROXY_VARIABLES = [SERVER_PROXY, 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const;

type Environment = Record<string, string | undefined>;

/** The way to servers: `--proxy`, or what the environment says. NO_PROXY holds for both. */
export function serverProxy(environment: Environment = process.env): ProxyFor {
  const https = environment[SERVER_PROXY] || variable(environment, 'HTTPS_PROXY');
  return proxyRules({ https, none: variable(environment, 'NO_PROXY') });
}

/** The way to registries: what the environment says. */
export function registryProxy(environment: Environment = process.env): ProxyFor {
  return proxyRules({
    https: variable(environment, 'HTTPS_PROXY'),
    http: variable(environment, 'HTTP_PROXY'),
    none: variable(environment, 'NO_PROXY'),
  });
}

/** Programs of the field read both spellings; the first one wins, as in Go. */
export function variable(environment: Environment, name: string): string | undefined {
  return environment[name] || environment[name.toLowerCase()];
}

/** For `--proxy`. */
export function proxyOf(text: string): string {
  try {
    parseProxy(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return text;
}
