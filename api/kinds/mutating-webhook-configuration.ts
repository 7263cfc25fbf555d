import { defaultWebhook } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { MutatingWebhookConfiguration } from '../objects.ts';
import { checkWebhooks } from '../validation/admission-webhooks.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Webhooks by which requests are changed before they are served. */
export const MutatingWebhookConfigurationKind: Kind<MutatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  singular: 'mutatingwebhookconfiguration',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration',
  strategy: strategyOf<MutatingWebhookConfiguration>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ webhooks = [] }) {
      for (const webhook of webhooks) {
        defaultWebhook(webhook);
        webhook.reinvocationPolicy ??= 'Never';
      }
    },
    check: checkWebhooks,
  }),
  columns: [
    nameColumn,
    column('Webhooks', 'integer', 'How many webhooks it names.', ({ webhooks = [] }) => webhooks.length),
    ageColumn,
  ],
};
