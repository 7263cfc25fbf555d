import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { CLUSTER_INFO } from '#api/well-known.ts';
import type { AnyController, View } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { authorityOf, planRootCa, ROOT_CA } from './plan.ts';

/** `ca` (PEM) is what pods trust unless kube-public/cluster-info says otherwise. */
export function rootCaController(ca: string): AnyController {
  return defineController({
    name: 'root-ca-certificate-publisher',
    for: NamespaceKind,
    reads: [ConfigMapKind],
    writes: [ConfigMapKind],
    wakes: [
      wakeBy(ConfigMapKind, ({ metadata }, view) => {
        if (isClusterInfo(metadata))
          return (view as View<readonly [typeof NamespaceKind]>)
            .list(NamespaceKind)
            .map((one) => one.metadata.name);
        return metadata.name === ROOT_CA ? [metadata.namespace ?? ''] : [];
      }),
    ],
    content: ({ kind, metadata }) =>
      kind !== ConfigMapKind.kind || metadata.name === ROOT_CA || isClusterInfo(metadata),
    plan(key, namespace, view) {
      if (!namespace) return { actions: [] };
      const told = view.get(ConfigMapKind, `${CLUSTER_INFO.namespace}/${CLUSTER_INFO.name}`);
      return planRootCa(namespace, view.get(ConfigMapKind, `${key}/${ROOT_CA}`), authorityOf(told) ?? ca);
    },
  });
}

function isClusterInfo({ name, namespace }: { name: string; namespace?: string }): boolean {
  return name === CLUSTER_INFO.name && namespace === CLUSTER_INFO.namespace;
}
