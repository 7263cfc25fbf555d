import type { Toleration } from '#api/objects.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { newPod } from './service-account.ts';

/** How long a pod stays on a node that is not ready or not reachable, unless it says. Source: Kubernetes DefaultTolerationSeconds. */
const SECONDS = 300;
const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  mutate(request) {
    const spec = newPod(request)?.spec;
    if (!spec) return;
    const had = spec.tolerations ?? [];
    const missing = TAINTS.filter((key) => !had.some((toleration) => covers(toleration, key)));
    if (missing.length === 0) return;
    spec.tolerations = [
      ...had,
      ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS })),
    ];
  },
};

function covers(toleration: Toleration, key: string): boolean {
  return (
    (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === 'NoExecute')
  );
}
