import { defaultPodTemplate } from '../defaults/pod-spec.ts';
import type { Kind } from '../kind.ts';
import type { PodTemplate } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkPodTemplate } from '../validation/pod-spec.ts';
import { podTemplateObjectWarnings } from '../warnings/workloads.ts';
import { column, labelsText, nameColumn, templateColumns } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A pod to be made by others, kept as data. Kubernetes does nothing with it either. */
export const PodTemplateKind: Kind<PodTemplate> = {
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  singular: 'podtemplate',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.PodTemplate',
  strategy: strategyOf<PodTemplate>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults(podTemplate) {
      podTemplate.template ??= {};
      defaultPodTemplate(podTemplate.template);
    },
    check: (podTemplate, faults) => checkPodTemplate(podTemplate.template, 'template', faults),
    warnings: podTemplateObjectWarnings,
  }),
  columns: [
    nameColumn,
    ...templateColumns<PodTemplate>(({ template }) => template).map((each) => ({
      ...each,
      priority: 0 as const,
    })),
    column('Pod Labels', 'string', 'Labels of its pods.', ({ template }) =>
      labelsText(template?.metadata?.labels),
    ),
  ],
};
