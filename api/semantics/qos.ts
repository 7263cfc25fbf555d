import { compareQuantities, quantityMilli } from '#machinery/values/quantity.ts';
import type { PodSpec, ResourceRequirements } from '../objects.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COMPUTE = ['cpu', 'memory'] as const;

/**
 * The quality-of-service class of a pod: Guaranteed when every container has cpu and memory limits equal to its
 * requests, BestEffort when none asks for either, Burstable otherwise. Decides cgroup parents and who is killed first.
 * Source: Kubernetes documentation, "Pod Quality of Service Classes".
 */
export function qosClassOf(spec: PodSpec): QosClass {
  const whole = spec.resources;
  const parts =
    whole?.requests || whole?.limits
      ? [whole]
      : [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(
          (container) => container.resources ?? {},
        );
  if (parts.every((part) => COMPUTE.every((name) => !asks(part, name)))) return 'BestEffort';
  return parts.every((part) => COMPUTE.every((name) => isFixed(part, name))) ? 'Guaranteed' : 'Burstable';
}

function asks({ requests, limits }: ResourceRequirements, name: string): boolean {
  return isPositive(requests?.[name]) || isPositive(limits?.[name]);
}

function isFixed({ requests, limits }: ResourceRequirements, name: string): boolean {
  const limit = limits?.[name];
  if (!isPositive(limit)) return false;
  const request = requests?.[name];
  return request === undefined || compareQuantities(request, limit!) === 0;
}

function isPositive(quantity: string | undefined): boolean {
  return quantity !== undefined && quantityMilli(quantity) > 0;
}
