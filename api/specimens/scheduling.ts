import { PriorityClassKind } from '../kinds/priority-class.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const schedulingSpecimens: readonly Specimen[] = [
  specimenOf(PriorityClassKind, {
    'a class for all': {
      value: 1000,
      globalDefault: true,
      description: 'What everybody gets.',
      preemptionPolicy: 'Never',
    },
  }),
];
