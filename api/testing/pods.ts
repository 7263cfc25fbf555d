import { PodKind } from '../kinds/pod.ts';
import type { Container, Pod, PodSpec } from '../objects.ts';
import { faultText } from '../validation/fault-text.ts';

/** Parts that are wrong on purpose, so types stand back. */
export type Wrong = Record<string, unknown>;

/** A sound pod, defaulted, with parts of its spec replaced, and one container for each of `more`. */
export function podWith(spec: Wrong = {}, ...more: Wrong[]): Pod {
  const containers = more.map(
    (part, index) => ({ name: `c${index}`, image: 'busybox', ...part }) as Container,
  );
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      containers: containers.length > 0 ? containers : [{ name: 'c0', image: 'busybox' }],
      ...(structuredClone(spec) as Partial<PodSpec>),
    },
  };
  PodKind.strategy.defaults!(pod);
  return pod;
}

/** Why a pod is not taken, fault by fault. */
export function podRefusals(spec: Wrong, ...containers: Wrong[]): string[] {
  return PodKind.strategy.validate(podWith(spec, ...containers)).map(faultText);
}
