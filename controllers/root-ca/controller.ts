import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import type { AnyController } from '../framework/contract.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { planRootCa, ROOT_CA } from './plan.ts';

/** `ca` is PEM. */
export function rootCaController(ca: string): AnyController {
  return defineController({
    name: 'root-ca-certificate-publisher',
    for: NamespaceKind,
    reads: [ConfigMapKind],
    writes: [ConfigMapKind],
    wakes: [
      wakeBy(ConfigMapKind, ({ metadata }) => (metadata.name === ROOT_CA ? [metadata.namespace ?? ''] : [])),
    ],
    content: ({ kind, metadata }) => kind !== ConfigMapKind.kind || metadata.name === ROOT_CA,
    plan(key, namespace, view) {
      if (!namespace) return { actions: [] };
      return planRootCa(namespace, view.get(ConfigMapKind, `${key}/${ROOT_CA}`), ca);
    },
  });
}
