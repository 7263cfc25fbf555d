/** Files of a volume that hide each other. Source: Kubernetes, pkg/api/pod/warnings.go. */
import type * as k8s from '@kubernetes/client-node';
import type { Volume, Wire } from '../objects.ts';

export function overlapWarnings(volumes: readonly Volume[]): string[] {
  return volumes.flatMap(({ name, configMap, secret, downwardAPI, projected }) => {
    const of = `volume ${JSON.stringify(name)}`;
    return [
      ...overlaps(pathsOf(configMap?.items), `${of} (ConfigMap ${JSON.stringify(configMap?.name ?? '')})`),
      ...overlaps(pathsOf(secret?.items), `${of} (Secret ${JSON.stringify(secret?.secretName ?? '')})`),
      ...overlaps(pathsOf(downwardAPI?.items), `${of} (DownwardAPI)`),
      ...(projected ? projectedWarnings(projected.sources ?? [], of) : []),
    ];
  });
}

type Projection = Wire<k8s.V1VolumeProjection>;

function projectedWarnings(sources: readonly Projection[], of: string): string[] {
  const all = new Set<string>();
  return sources.flatMap((source) => {
    if (Object.keys(source).length === 0) return [`${of} (Projected) has no sources provided`];
    const { name, paths } = projection(source);
    const own = new Set(paths);
    const together = [...own, ...all].sort();
    for (const path of own) all.add(path);
    const label = `${of} (Projected ${name})`;
    return paths.length === 0 ? [] : [...overlaps(paths, label), ...overlaps(together, label)];
  });
}

function projection(source: Projection): { name: string; paths: string[] } {
  const { configMap, secret, downwardAPI, serviceAccountToken: token, clusterTrustBundle: bundle } = source;
  const quote = JSON.stringify;
  if (configMap) return { name: `ConfigMap ${quote(configMap.name ?? '')}`, paths: pathsOf(configMap.items) };
  if (secret) return { name: `Secret ${quote(secret.name ?? '')}`, paths: pathsOf(secret.items) };
  if (downwardAPI) return { name: 'DownwardAPI', paths: pathsOf(downwardAPI.items) };
  if (token) return { name: 'ServiceAccountToken', paths: [token.path] };
  if (!bundle) return { name: '', paths: [] };
  return {
    name: `ClusterTrustBundle ${quote(bundle.name ?? bundle.signerName ?? '')}`,
    paths: [bundle.path],
  };
}

function pathsOf(items: readonly { path: string }[] | undefined): string[] {
  return (items ?? []).map(({ path }) => path);
}

function overlaps(paths: readonly string[], label: string): string[] {
  const seen = new Set<string>();
  return paths.flatMap((path) => {
    const plain = path.replace(/\/+$/, '');
    const other = [...seen].find((one) => collide(one, plain));
    seen.add(plain);
    return other === undefined
      ? []
      : [`${label}: overlapping paths: ${JSON.stringify(plain)} with ${JSON.stringify(other)}`];
  });
}

/** As Kubernetes sees it, for which `ca` is in the way of `ca.crt` too. */
function collide(one: string, other: string): boolean {
  if (one === '' || other === '') return false;
  return `${one}/`.startsWith(other) || `${other}/`.startsWith(one);
}
