/** What holds for the metadata of every object. Source: Kubernetes API conventions, "Metadata". */
import type { LabelSelector, ObjectMeta } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dnsLabelFaults, labelValueFaults, type NameRule, qualifiedNameFaults } from './names.ts';

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/** All annotations together, keys and values. */
const ANNOTATIONS_MAX_BYTES = 256 * 1024;

export interface MetaRules {
  namespaced: boolean;
  name: NameRule;
  /** Finalizers need no domain: of kinds that live outside Kubernetes' own API. */
  anyFinalizer?: true;
}

export function checkObjectMeta(meta: ObjectMeta, rules: MetaRules, faults: Faults): void {
  if (meta.generateName) {
    faults.invalidFor('metadata.generateName', meta.generateName, rules.name(meta.generateName, true));
  }
  if (!meta.name) faults.required('metadata.name', 'name or generateName is required');
  else faults.invalidFor('metadata.name', meta.name, rules.name(meta.name, false));
  if (!rules.namespaced) {
    if (meta.namespace) faults.forbidden('metadata.namespace', 'not allowed on this type');
  } else if (!meta.namespace) faults.required('metadata.namespace');
  else faults.invalidFor('metadata.namespace', meta.namespace, dnsLabelFaults(meta.namespace));
  checkSettableMeta(meta, faults);
  checkFinalizers(meta.finalizers ?? [], rules, faults);
}

/** What every write can set, to the status too. */
export function checkSettableMeta(meta: ObjectMeta, faults: Faults): void {
  checkLabels(meta.labels, 'metadata.labels', faults);
  checkAnnotations(meta.annotations, 'metadata.annotations', faults);
  checkOwners(meta, faults);
}

/** Finalizers without a domain, all of them Kubernetes' own. */
const STANDARD_FINALIZERS: readonly string[] = ['kubernetes', 'orphan', 'foregroundDeletion'];

function checkFinalizers(finalizers: readonly string[], rules: MetaRules, faults: Faults): void {
  const field = 'metadata.finalizers';
  for (const finalizer of finalizers) faults.invalidFor(field, finalizer, qualifiedNameFaults(finalizer));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    faults.invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
  if (rules.anyFinalizer) return;
  for (const [index, finalizer] of finalizers.entries()) checkKnown(finalizer, `${field}[${index}]`, faults);
}

function checkKnown(finalizer: string, field: string, faults: Faults): void {
  if (!finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer))
    faults.invalid(field, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

/** Finalizers beside those of metadata: of namespaces. */
export function checkFinalizerNames(
  finalizers: readonly string[] | undefined,
  field: string,
  faults: Faults,
): void {
  for (const finalizer of finalizers ?? []) {
    faults.invalidFor(field, finalizer, qualifiedNameFaults(finalizer));
    checkKnown(finalizer, field, faults);
  }
}

export function checkObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, faults: Faults): void {
  faults.immutable('metadata.name', meta.name, old.name);
  faults.immutable('metadata.namespace', meta.namespace, old.namespace);
  faults.immutable('metadata.uid', meta.uid, old.uid);
  if (!old.deletionTimestamp) return;
  const added = (meta.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer));
  if (added.length > 0) {
    const list = [...new Set(added)]
      .sort()
      .map((finalizer) => JSON.stringify(finalizer))
      .join(', ');
    faults.forbidden(
      'metadata.finalizers',
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
    );
  }
}

export function checkLabels(labels: Record<string, string> | undefined, field: string, faults: Faults): void {
  for (const key in labels) {
    const value = labels[key]!;
    faults.invalidFor(field, key, qualifiedNameFaults(key));
    faults.invalidFor(field, value, labelValueFaults(value));
  }
}

export function checkAnnotations(
  annotations: Record<string, string> | undefined,
  field: string,
  faults: Faults,
): void {
  let bytes = 0;
  for (const key in annotations) {
    faults.invalidFor(field, key, qualifiedNameFaults(key.toLowerCase()));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (bytes > ANNOTATIONS_MAX_BYTES) faults.tooLong(field, ANNOTATIONS_MAX_BYTES);
}

function checkOwners(meta: ObjectMeta, faults: Faults): void {
  const field = 'metadata.ownerReferences';
  let controller: string | undefined;
  for (const owner of meta.ownerReferences ?? []) {
    if (!/^([^/]*\/)?[^/]+$/.test(owner.apiVersion ?? ''))
      faults.invalid(`${field}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty');
    for (const part of ['kind', 'name', 'uid'] as const) {
      if (!owner[part]) faults.invalid(`${field}.${part}`, owner[part] ?? '', 'must not be empty');
    }
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      faults.invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner');
    }
    if (!owner.controller) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller !== undefined) {
      const both = `Found "true" in references for ${controller} and ${name}`;
      faults.invalid(
        field,
        meta.ownerReferences,
        `Only one reference can have Controller set to true. ${both}`,
      );
    }
    controller ??= name;
  }
}

/** metav1.LabelSelector. */
export function checkLabelSelector(selector: LabelSelector | undefined, field: string, faults: Faults): void {
  if (!selector) return;
  checkLabels(selector.matchLabels, `${field}.matchLabels`, faults);
  const expressions: Partial<Requirement>[] = selector.matchExpressions ?? [];
  for (const [index, { key = '', operator = '', values = [] }] of expressions.entries()) {
    const at = `${field}.matchExpressions[${index}]`;
    if (!checkSetOperator(operator, values, at, faults))
      faults.invalid(`${at}.operator`, operator, 'not a valid selector operator');
    faults.invalidFor(`${at}.key`, key, qualifiedNameFaults(key));
    for (const [at2, value] of values.entries()) {
      faults.invalidFor(`${at}.values[${at2}]`, value, labelValueFaults(value));
    }
  }
}

/** The operators that all selectors know; false when it is another one. */
export function checkSetOperator(
  operator: string,
  values: readonly string[],
  at: string,
  faults: Faults,
): boolean {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      faults.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    return true;
  }
  if (operator !== 'Exists' && operator !== 'DoesNotExist') return false;
  if (values.length > 0)
    faults.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  return true;
}
