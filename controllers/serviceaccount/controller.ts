import { NamespaceKind } from '#api/kinds/namespace.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { defineController, wakeBy } from '../framework/define.ts';
import { DEFAULT_ACCOUNT, planDefaultAccount } from './plan.ts';

export const serviceAccountController = defineController({
  name: 'serviceaccount-controller',
  for: NamespaceKind,
  reads: [ServiceAccountKind],
  writes: [ServiceAccountKind],
  wakes: [
    wakeBy(ServiceAccountKind, ({ metadata }) =>
      metadata.name === DEFAULT_ACCOUNT ? [metadata.namespace ?? ''] : [],
    ),
  ],
  plan(key, namespace, view) {
    if (!namespace) return { actions: [] };
    const account = view.get(ServiceAccountKind, `${key}/${DEFAULT_ACCOUNT}`);
    return planDefaultAccount(namespace, account !== undefined);
  },
});
