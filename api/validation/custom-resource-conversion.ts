/** How versions of a custom resource become one another. Source: Kubernetes API reference, CustomResourceConversion. */
import type { Spec } from './custom-resource-definition.ts';
import type { Faults } from './faults.ts';
import { dns1035LabelFaults } from './names.ts';
import { checkWebhookService, checkWebhookUrl } from './webhook-client.ts';

type Conversion = NonNullable<Spec['conversion']>;
type Client = NonNullable<NonNullable<Conversion['webhook']>['clientConfig']>;

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
  if (clientConfig) checkClient(clientConfig, faults);
  else faults.required(CLIENT, 'required when strategy is set to Webhook');
  checkReviewVersions(versions, faults);
}

function checkClient({ url, service }: Client, faults: Faults): void {
  if ((url === undefined) === (service === undefined))
    faults.required(CLIENT, 'exactly one of url or service is required');
  else if (url !== undefined) checkWebhookUrl(url, `${CLIENT}.url`, faults);
  else if (service) {
    // Kubernetes mistakes the one name for the other here.
    const { name: namespace, namespace: name } = service;
    checkWebhookService({ ...service, name, namespace }, `${CLIENT}.service`, faults);
  }
}

const KNOWN = ['v1', 'v1beta1'];

function checkReviewVersions(versions: readonly string[], faults: Faults): void {
  if (versions.length === 0) {
    faults.required(VERSIONS);
    return;
  }
  for (const [index, version] of versions.entries()) {
    const field = `${VERSIONS}[${index}]`;
    if (versions.indexOf(version) < index) faults.invalid(field, version, 'duplicate version');
    else faults.invalidFor(field, version, dns1035LabelFaults(version));
  }
  if (!versions.some((version) => KNOWN.includes(version)))
    faults.invalid(VERSIONS, versions, `must include at least one of ${KNOWN.join(', ')}`);
}
