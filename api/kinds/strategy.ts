import type { Strategy } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { Faults } from '../validation/faults.ts';
import type { NameRule } from '../validation/names.ts';
import { checkObjectMeta, checkObjectMetaUpdate, checkSettableMeta } from '../validation/object-meta.ts';

/** What is special about a kind; metadata is checked for all of them alike. */
export interface Rules<T extends ApiObject>
  extends Omit<Strategy<T>, 'validate' | 'validateCreate' | 'validateUpdate' | 'validateStatus'> {
  namespaced: boolean;
  name: NameRule;
  /** As in MetaRules. */
  anyFinalizer?: true;
  check?(object: T, faults: Faults): void;
  checkCreate?(object: T, faults: Faults): void;
  checkUpdate?(object: T, old: T, faults: Faults): void;
  checkStatus?(object: T, old: T, faults: Faults, subresource: string): void;
}

/** The strategy of a kind out of its rules. */
export function strategyOf<T extends ApiObject>(rules: Rules<T>): Strategy<T> {
  const {
    namespaced: _namespaced,
    name: _name,
    anyFinalizer: _anyFinalizer,
    check,
    checkCreate,
    checkUpdate,
    checkStatus,
    ...rest
  } = rules;
  return {
    ...rest,
    validate(object) {
      const faults = new Faults();
      checkObjectMeta(object.metadata, rules, faults);
      check?.(object, faults);
      return faults.list;
    },
    ...(checkCreate && {
      validateCreate(object: T) {
        const faults = new Faults();
        checkCreate(object, faults);
        return faults.list;
      },
    }),
    validateUpdate(object, old) {
      const faults = new Faults();
      checkObjectMetaUpdate(object.metadata, old.metadata, faults);
      checkUpdate?.(object, old, faults);
      return faults.list;
    },
    validateStatus(object, old, subresource = 'status') {
      const faults = new Faults();
      // Labels and annotations may be written with the status.
      checkObjectMeta(object.metadata, rules, faults);
      checkObjectMetaUpdate(object.metadata, old.metadata, faults);
      checkSettableMeta(object.metadata, faults);
      checkStatus?.(object, old, faults, subresource);
      return faults.list;
    },
  };
}
