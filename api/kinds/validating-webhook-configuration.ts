import { defaultWebhook } from '../defaults/admission-registration.ts';
import type { Kind } from '../kind.ts';
import type { ValidatingWebhookConfiguration } from '../objects.ts';
import { checkWebhooks } from '../validation/admission-webhooks.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Webhooks by which requests are judged before they are served. */
export const ValidatingWebhookConfigurationKind: Kind<ValidatingWebhookConfiguration> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  singular: 'validatingwebhookconfiguration',
  categories: ['api-extensions'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration',
  strategy: strategyOf<ValidatingWebhookConfiguration>({
    namespaced: false,
    name: isDnsSubdomain,
    anyFinalizer: true,
    defaults({ webhooks = [] }) {
      for (const webhook of webhooks) defaultWebhook(webhook);
    },
    check: checkWebhooks,
  }),
  columns: [
    nameColumn,
    column('Webhooks', 'integer', 'How many webhooks it names.', ({ webhooks = [] }) => webhooks.length),
    ageColumn,
  ],
};
