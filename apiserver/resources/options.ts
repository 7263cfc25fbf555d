/**
 * The options of a request (metav1 ListOptions, CreateOptions, UpdateOptions, PatchOptions, DeleteOptions), judged before
 * anything is read. Invalid (422) names every fault. Source: apimachinery's validation of those types.
 */
import type { FieldError } from '#api/kind.ts';
import { badRequest, invalid } from '../engine/faults.ts';

type OptionsKind = 'ListOptions' | 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions';

function refuse(kind: OptionsKind, faults: FieldError[]): void {
  if (faults.length > 0) throw invalid({ group: 'meta.k8s.io', kind }, '', faults);
}

export function checkWriteOptions(kind: 'CreateOptions' | 'UpdateOptions', query: URLSearchParams): void {
  refuse(kind, writeFaults(query));
}

/** `force` and a field manager are for apply alone, and apply cannot do without the latter. */
export function checkPatchOptions(query: URLSearchParams, isApply: boolean): void {
  const faults: FieldError[] = [];
  if (!isApply && query.has('force'))
    faults.push({ type: 'Forbidden', field: 'force', detail: 'may not be specified for non-apply patch' });
  if (isApply && !query.get('fieldManager'))
    faults.push({ type: 'Required', field: 'fieldManager', detail: 'is required for apply patch' });
  refuse('PatchOptions', [...faults, ...writeFaults(query)]);
}

function writeFaults(query: URLSearchParams): FieldError[] {
  return [
    ...managerFaults(query.get('fieldManager') ?? ''),
    ...dryRunFaults(query.getAll('dryRun')),
    ...validationFaults(query.get('fieldValidation') ?? ''),
  ];
}

const MANAGER_LIMIT = 128;

function managerFaults(manager: string): FieldError[] {
  const faults: FieldError[] = [];
  if (Buffer.byteLength(manager) > MANAGER_LIMIT)
    faults.push({
      type: 'TooLong',
      field: 'fieldManager',
      detail: `may not be more than ${MANAGER_LIMIT} bytes`,
    });
  let position = 0;
  for (const character of manager) {
    if (/[\p{C}\p{Z}]/u.test(character) && character !== ' ')
      faults.push({
        type: 'Invalid',
        field: 'fieldManager',
        value: manager,
        detail: `invalid character U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')} (at position ${position})`,
      });
    position += Buffer.byteLength(character);
  }
  return faults;
}

function dryRunFaults(asked: readonly string[]): FieldError[] {
  if (asked.every((value) => value === 'All' || value === '')) return [];
  return [{ type: 'NotSupported', field: 'dryRun', value: asked, detail: 'supported values: "All"' }];
}

const VALIDATIONS = ['', 'Ignore', 'Strict', 'Warn'];

function validationFaults(asked: string): FieldError[] {
  return VALIDATIONS.includes(asked) ? [] : [notSupported('fieldValidation', asked, VALIDATIONS)];
}

function notSupported(field: string, value: string, supported: readonly string[]): FieldError {
  const shown = supported.map((text) => JSON.stringify(text)).join(', ');
  return { type: 'NotSupported', field, value, detail: `supported values: ${shown}` };
}

/** metav1.DeleteOptions, of a body or a query. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

const POLICIES = ['Foreground', 'Background', 'Orphan'];

export function checkDeleteOptions({
  orphanDependents,
  propagationPolicy,
  dryRun = [],
}: DeleteOptions): void {
  const field = 'propagationPolicy';
  const faults: FieldError[] = [];
  if (orphanDependents !== undefined && propagationPolicy !== undefined)
    faults.push({
      ...{ type: 'Invalid', field, value: propagationPolicy },
      detail: 'orphanDependents and deletionPropagation cannot be both set',
    });
  if (propagationPolicy !== undefined && !POLICIES.includes(propagationPolicy))
    faults.push(notSupported(field, propagationPolicy, [...POLICIES, 'nil']));
  refuse('DeleteOptions', [...faults, ...dryRunFaults(dryRun)]);
}

const MATCH = 'resourceVersionMatch';

export function checkListOptions(query: URLSearchParams): void {
  const match = query.get(MATCH) ?? '';
  const forbidden = (detail: string, field = MATCH): FieldError => ({ type: 'Forbidden', field, detail });
  const faults: FieldError[] = [];
  if (match) {
    if (!query.get('resourceVersion'))
      faults.push(forbidden('resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (query.get('continue'))
      faults.push(forbidden('resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan')
      faults.push(notSupported(MATCH, match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && query.get('resourceVersion') === '0')
      faults.push(forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (query.has('sendInitialEvents'))
    faults.push(forbidden('sendInitialEvents is forbidden for list', 'sendInitialEvents'));
  refuse('ListOptions', faults);
}

export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get(MATCH) ?? '';
  const initial = query.has('sendInitialEvents');
  const forbidden = (detail: string): FieldError => ({ type: 'Forbidden', field: MATCH, detail });
  const faults: FieldError[] = [];
  if (initial && match !== 'NotOlderThan')
    faults.push(forbidden('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (match) {
    if (!initial)
      faults.push(
        forbidden('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
      );
    if (match !== 'NotOlderThan') faults.push(notSupported(MATCH, match, ['NotOlderThan']));
    if (query.get('continue'))
      faults.push(forbidden('resourceVersionMatch is forbidden when continue is provided'));
  }
  refuse('ListOptions', faults);
}

/** A whole number of the query, undefined when it is not there; BadRequest for what is none. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return number;
}
