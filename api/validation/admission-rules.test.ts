import { expect, it } from 'vitest';
import { checkMatchResources } from './admission-rules.ts';
import { faultText } from './fault-text.ts';
import { Faults } from './faults.ts';

it('wants selectors, which defaults fill in', () => {
  const faults = new Faults();
  checkMatchResources({ matchPolicy: 'Exact' }, 'spec.matchConstraints', faults);
  expect(faults.list.map(faultText)).toEqual([
    'spec.matchConstraints.namespaceSelector: Required value',
    'spec.matchConstraints.objectSelector: Required value',
  ]);
});
