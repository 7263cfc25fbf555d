import type { Kind } from '../kind.ts';
import type { IngressClass } from '../objects.ts';
import { checkIngressClass } from '../validation/ingress.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A kind of proxy that ingresses can ask for. */
export const IngressClassKind: Kind<IngressClass> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.IngressClass',
  strategy: strategyOf<IngressClass>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(ingressClass) {
      ingressClass.spec ??= {};
      const { parameters } = ingressClass.spec;
      if (parameters) parameters.scope ??= 'Cluster';
    },
    check: checkIngressClass,
    checkUpdate(ingressClass, old, faults) {
      faults.immutable('spec.controller', ingressClass.spec?.controller, old.spec?.controller);
    },
  }),
  columns: [
    nameColumn,
    column(
      'Controller',
      'string',
      'What serves ingresses of the class.',
      ({ spec }) => spec?.controller ?? '',
    ),
    column('Parameters', 'string', 'The object with its settings.', ({ spec }) => {
      if (!spec?.parameters) return '<none>';
      const { apiGroup, kind, name } = spec.parameters;
      return `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}`;
    }),
    ageColumn,
  ],
};
