import { IngressClassKind } from '#api/kinds/ingress-class.ts';
import type { Ingress } from '#api/objects.ts';
import { CLASS_ANNOTATION } from '#api/validation/ingress.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { newestName } from './default-class.ts';

const DEFAULT_CLASS = 'ingressclass.kubernetes.io/is-default-class';

/** An ingress that names no class gets the default one. Source: Kubernetes DefaultIngressClass admission. */
export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  mutate({ kind, operation, subresource, object }, objects) {
    if (operation !== 'CREATE' || kind.plural !== 'ingresses' || subresource !== '') return;
    if (kind.group !== IngressClassKind.group) return;
    const ingress = object as Ingress;
    if (!ingress.spec || ingress.spec.ingressClassName !== undefined) return;
    if (ingress.metadata.annotations?.[CLASS_ANNOTATION] !== undefined) return;
    const classes = objects.list(IngressClassKind);
    const name = newestName(
      classes.filter(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true'),
    );
    if (name !== undefined) ingress.spec.ingressClassName = name;
  },
};
