/** Cells that admission policies and bindings of both sorts have. */
import type { Column } from '../kind.ts';
import type { ApiObject, LabelSelector, ValidatingAdmissionPolicyBinding } from '../objects.ts';
import { column } from './columns.ts';

type WithParamKind = ApiObject & { spec?: { paramKind?: { apiVersion?: string; kind?: string } } };

export const paramKindColumn: Column<WithParamKind> = column(
  'ParamKind',
  'string',
  'The kind of the objects that parameterize it.',
  ({ spec }) =>
    spec?.paramKind ? `${spec.paramKind.apiVersion ?? ''}/${spec.paramKind.kind ?? ''}` : '<unset>',
);

type ParamRef = NonNullable<NonNullable<ValidatingAdmissionPolicyBinding['spec']>['paramRef']>;
type Binding = ApiObject & { spec?: { policyName?: string; paramRef?: ParamRef } };

export const bindingColumns: readonly Column<Binding>[] = [
  column('PolicyName', 'string', 'The policy that it puts to use.', ({ spec }) => spec?.policyName ?? ''),
  column('ParamRef', 'string', 'The objects that parameterize it.', ({ spec }) => paramText(spec?.paramRef)),
];

function paramText(ref: ParamRef | undefined): string {
  if (ref?.name) return `${ref.namespace || '*'}/${ref.name}`;
  return ref?.selector ? selectorText(ref.selector) : '<unset>';
}

/** As Go prints a label selector: kubectl shows it like that. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
