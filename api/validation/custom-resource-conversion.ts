/** How versions of a custom resource become one another. Source: Kubernetes API reference, CustomResourceConversion. */
import type { Spec } from './custom-resource-definition.ts';
import type { Faults } from './faults.ts';
import { checkReviewVersions, checkWebhookClient } from './webhook-client.ts';

type Conversion = NonNullable<Spec['conversion']>;

const CLIENT = 'spec.conversion.webhookClientConfig';
const VERSIONS = 'spec.conversion.conversionReviewVersions';
const ELSEWHERE = 'should not be set when strategy is not set to Webhook';

/** Faults name the parts of the webhook as Kubernetes has them inside: in the conversion itself. */
export function checkConversion({ strategy, webhook }: Conversion, faults: Faults): void {
  faults.oneOf('spec.conversion.strategy', strategy, ['None', 'Webhook']);
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {};
  if (strategy !== 'Webhook') {
    if (clientConfig) faults.forbidden(CLIENT, ELSEWHERE);
    if (versions.length > 0) faults.forbidden(VERSIONS, ELSEWHERE);
    return;
  }
  if (clientConfig) checkWebhookClient(clientConfig, CLIENT, faults);
  else faults.required(CLIENT, 'required when strategy is set to Webhook');
  checkReviewVersions(versions, VERSIONS, '', faults);
}
