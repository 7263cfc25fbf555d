/** Probes and lifecycle hooks. Source: Kubernetes API reference, Probe, LifecycleHandler. */
import type { Container, Probe } from '../objects.ts';
import type { Faults } from './faults.ts';
import { portNameFaults, portNumberFaults } from './names.ts';

type Lifecycle = NonNullable<Container['lifecycle']>;
type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & { sleep?: { seconds: number } };

/** Fields of a probe that count something. */
const COUNTS = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

export function checkProbes(container: Container, field: string, graceSeconds: number, faults: Faults): void {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  if (lifecycle) checkLifecycle(lifecycle, `${field}.lifecycle`, graceSeconds, faults);
  if (livenessProbe) checkProbe(livenessProbe, `${field}.livenessProbe`, 'once', faults);
  if (readinessProbe) checkProbe(readinessProbe, `${field}.readinessProbe`, 'often', faults);
  if (startupProbe) checkProbe(startupProbe, `${field}.startupProbe`, 'once', faults);
}

/** `once`: one success is enough by nature; `often`: readiness, which never ends a container. */
function checkProbe(probe: Probe, field: string, success: 'once' | 'often', faults: Faults): void {
  checkHandler(probe, field, Number.POSITIVE_INFINITY, faults);
  for (const count of COUNTS) faults.notNegative(`${field}.${count}`, probe[count]);
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    faults.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0');
  }
  if (success === 'often') {
    if (grace !== undefined) {
      faults.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes');
    }
  } else if (probe.successThreshold !== 1) {
    faults.invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1');
  }
}

function checkLifecycle(lifecycle: Lifecycle, field: string, graceSeconds: number, faults: Faults): void {
  if (lifecycle.postStart) checkHandler(lifecycle.postStart, `${field}.postStart`, graceSeconds, faults);
  if (lifecycle.preStop) checkHandler(lifecycle.preStop, `${field}.preStop`, graceSeconds, faults);
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function checkHandler(handler: Handler, field: string, graceSeconds: number, faults: Faults): void {
  const [first, ...others] = HANDLERS.filter((name) => handler[name]);
  if (first === undefined) {
    faults.required(field, 'must specify a handler type');
    return;
  }
  CHECKS[first](handler, `${field}.${first}`, graceSeconds, faults);
  for (const extra of others)
    faults.forbidden(`${field}.${extra}`, 'may not specify more than 1 handler type');
}

const CHECKS: Record<
  (typeof HANDLERS)[number],
  (handler: Handler, field: string, graceSeconds: number, faults: Faults) => void
> = {
  exec({ exec }, field, _grace, faults) {
    if (!exec!.command?.length) faults.required(`${field}.command`);
  },
  httpGet({ httpGet }, field, _grace, faults) {
    checkPort(httpGet!.port, `${field}.port`, faults);
    if (!SCHEMES.includes(httpGet!.scheme ?? ''))
      faults.notSupported(`${field}.scheme`, httpGet!.scheme, SCHEMES);
    for (const { name } of httpGet!.httpHeaders ?? []) {
      if (!/^[-A-Za-z0-9]+$/.test(name ?? ''))
        faults.invalid(`${field}.httpHeaders`, name ?? '', HEADER_RULE);
    }
  },
  tcpSocket({ tcpSocket }, field, _grace, faults) {
    checkPort(tcpSocket!.port, `${field}.port`, faults);
  },
  grpc({ grpc }, field, _grace, faults) {
    checkPort(grpc!.port, `${field}.port`, faults);
  },
  sleep({ sleep }, field, graceSeconds, faults) {
    const { seconds } = sleep!;
    if (seconds < 0 || seconds > graceSeconds) {
      const detail = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
      faults.invalid(field, seconds, detail);
    }
  },
};

const SCHEMES = ['HTTP', 'HTTPS'];
const HEADER_RULE =
  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

/** A port by number or by name. */
export function checkPort(port: number | string | undefined, field: string, faults: Faults): void {
  if (typeof port === 'string') faults.invalidFor(field, port, portNameFaults(port));
  else faults.invalidFor(field, port ?? 0, portNumberFaults(port ?? 0));
}
