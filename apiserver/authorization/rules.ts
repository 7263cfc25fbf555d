import type { PolicyRule } from '#api/objects.ts';
import type { AuthorizationAttributes } from '../contract.ts';

/** Matching of RBAC rules. Source: Kubernetes pkg/apis/rbac/v1 evaluation rules. Pure. */

type Matched = Pick<
  AuthorizationAttributes,
  'isResource' | 'verb' | 'group' | 'resource' | 'subresource' | 'name' | 'path'
>;

/** Whether one rule allows what is asked. */
export function ruleAllows(rule: PolicyRule, asked: Matched): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  return asked.isResource ? allowsResource(rule, asked) : allowsPath(rule, asked.path);
}

function allowsResource(rule: PolicyRule, asked: Matched): boolean {
  return (
    has(rule.apiGroups, asked.group) &&
    matchesResource(rule.resources ?? [], asked.resource, asked.subresource) &&
    matchesName(rule.resourceNames ?? [], asked.name)
  );
}

function has(values: readonly string[] | undefined, wanted: string): boolean {
  return values !== undefined && (values.includes(wanted) || values.includes('*'));
}

function matchesResource(resources: readonly string[], resource: string, subresource: string): boolean {
  if (resources.includes('*')) return true;
  if (subresource === '') return resources.includes(resource);
  return resources.includes(`${resource}/${subresource}`) || resources.includes(`*/${subresource}`);
}

function matchesName(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

function allowsPath(rule: PolicyRule, path: string): boolean {
  return (rule.nonResourceURLs ?? []).some(
    (url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
  );
}

/**
 * The parts of `wanted` that `owned` does not grant: empty when a person who has `owned` may hand out `wanted`. Each part
 * is one verb on one resource (or path), as Kubernetes breaks rules down to compare them.
 */
export function notCovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !owned.some((rule) => covers(rule, part)));
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) parts.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const part = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (!rule.resourceNames?.length) parts.push(part);
        for (const name of rule.resourceNames ?? []) parts.push({ ...part, resourceNames: [name] });
      }
    }
  }
  return parts;
}

function covers(owned: PolicyRule, part: PolicyRule): boolean {
  if (!has(owned.verbs, part.verbs[0]!)) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return allowsPath(owned, url);
  const [resource, subresource = ''] = splitResource(part.resources![0]!);
  const name = part.resourceNames?.[0];
  return (
    has(owned.apiGroups, part.apiGroups![0]!) &&
    matchesResource(owned.resources ?? [], resource!, subresource) &&
    // A rule for some names never covers a rule for all of them.
    (!owned.resourceNames?.length || (name !== undefined && owned.resourceNames.includes(name)))
  );
}

function splitResource(resource: string): string[] {
  const slash = resource.indexOf('/');
  return slash < 0 ? [resource] : [resource.slice(0, slash), resource.slice(slash + 1)];
}

/** A rule as Kubernetes prints it in an escalation error. */
export function printRule(rule: PolicyRule): string {
  const list = (name: string, values: string[] | undefined) =>
    values?.length ? [`${name}:[${values.map((value) => JSON.stringify(value)).join(' ')}]`] : [];
  return `{${[
    ...list('APIGroups', rule.apiGroups),
    ...list('Resources', rule.resources),
    ...list('ResourceNames', rule.resourceNames),
    ...list('NonResourceURLs', rule.nonResourceURLs),
    ...list('Verbs', rule.verbs),
  ].join(', ')}}`;
}
