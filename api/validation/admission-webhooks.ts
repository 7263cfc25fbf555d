/** Admission webhooks. Source: Kubernetes API reference, ValidatingWebhook and MutatingWebhook. */
import type { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../objects.ts';
import { checkMatchConditions, checkRule, FAILURE_POLICIES, MATCH_POLICIES } from './admission-rules.ts';
import type { Faults } from './faults.ts';
import { dnsSubdomainFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkReviewVersions, checkWebhookClient } from './webhook-client.ts';

type MutatingWebhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];
type Webhook = NonNullable<ValidatingWebhookConfiguration['webhooks']>[number] &
  Pick<MutatingWebhook, 'reinvocationPolicy'>;

/** Of both kinds. */
export function checkWebhooks({ webhooks = [] }: { webhooks?: Webhook[] }, faults: Faults): void {
  const names = webhooks.map(({ name }) => name);
  for (const [index, webhook] of webhooks.entries()) {
    const field = `webhooks[${index}]`;
    checkWebhook(webhook, field, faults);
    const detail = 'must specify one of v1, v1beta1';
    const versions = webhook.admissionReviewVersions ?? [];
    checkReviewVersions(versions, `${field}.admissionReviewVersions`, detail, faults);
    if (webhook.name && names.indexOf(webhook.name) < index) faults.duplicate(`${field}.name`, webhook.name);
  }
}

const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const REINVOCATIONS = ['IfNeeded', 'Never'];
const MAX_TIMEOUT_SECONDS = 30;

function checkWebhook(webhook: Webhook, field: string, faults: Faults): void {
  const { rules = [], sideEffects, timeoutSeconds, reinvocationPolicy, clientConfig } = webhook;
  checkQualifiedName(webhook.name, `${field}.name`, faults);
  for (const [index, rule] of rules.entries()) checkRule(rule, `${field}.rules[${index}]`, faults);
  checkKnown(webhook.failurePolicy, FAILURE_POLICIES, `${field}.failurePolicy`, faults);
  checkKnown(webhook.matchPolicy, MATCH_POLICIES, `${field}.matchPolicy`, faults);
  if (sideEffects === undefined)
    faults.required(`${field}.sideEffects`, `must specify one of ${SIDE_EFFECTS.join(', ')}`);
  checkKnown(sideEffects, SIDE_EFFECTS, `${field}.sideEffects`, faults);
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > MAX_TIMEOUT_SECONDS)) {
    const detail = `the timeout value must be between 1 and ${MAX_TIMEOUT_SECONDS} seconds`;
    faults.invalid(`${field}.timeoutSeconds`, timeoutSeconds, detail);
  }
  checkLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`, faults);
  checkLabelSelector(webhook.objectSelector, `${field}.objectSelector`, faults);
  checkKnown(reinvocationPolicy, REINVOCATIONS, `${field}.reinvocationPolicy`, faults);
  checkWebhookClient(clientConfig ?? {}, `${field}.clientConfig`, faults);
  checkMatchConditions(webhook.matchConditions ?? [], `${field}.matchConditions`, faults);
}

function checkKnown(value: string | undefined, known: string[], field: string, faults: Faults): void {
  if (value !== undefined && !known.includes(value)) faults.notSupported(field, value, known);
}

function checkQualifiedName(name: string | undefined, field: string, faults: Faults): void {
  if (!name) {
    faults.required(field);
    return;
  }
  const details = dnsSubdomainFaults(name);
  if (details.length > 0) faults.invalid(field, name, details.join(','));
  else if (name.split('.').length < 3)
    faults.invalid(field, name, 'should be a domain with at least three segments separated by dots');
}
