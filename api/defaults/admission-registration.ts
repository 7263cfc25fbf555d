/** Defaults of admission webhooks and policies. Source: Kubernetes API reference, group admissionregistration.k8s.io. */
import type {
  MutatingAdmissionPolicy,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../objects.ts';
import type { MatchResources, Rule } from '../validation/admission-rules.ts';

type ValidatingWebhook = NonNullable<ValidatingWebhookConfiguration['webhooks']>[number];
type MutatingWebhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];
type PolicySpec = Pick<NonNullable<MutatingAdmissionPolicy['spec']>, 'failurePolicy' | 'matchConstraints'>;

const TIMEOUT_SECONDS = 10;
const HTTPS_PORT = 443;

export function defaultWebhook(webhook: ValidatingWebhook | MutatingWebhook): void {
  webhook.failurePolicy ??= 'Fail';
  defaultMatching(webhook);
  webhook.timeoutSeconds ??= TIMEOUT_SECONDS;
  defaultScopes(webhook.rules);
  const service = webhook.clientConfig?.service;
  if (service) service.port ??= HTTPS_PORT;
}

export function defaultPolicy(spec: PolicySpec): void {
  spec.failurePolicy ??= 'Fail';
  if (spec.matchConstraints) defaultMatchResources(spec.matchConstraints);
}

export function defaultMatchResources(match: MatchResources): void {
  defaultMatching(match);
  defaultScopes(match.resourceRules);
  defaultScopes(match.excludeResourceRules);
}

function defaultMatching(
  match: Pick<MatchResources, 'matchPolicy' | 'namespaceSelector' | 'objectSelector'>,
): void {
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
}

function defaultScopes(rules: readonly Rule[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}
