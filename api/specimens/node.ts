import { RuntimeClassKind } from '../kinds/runtime-class.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const toleration = { key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 5 };

export const nodeSpecimens: readonly Specimen[] = [
  specimenOf(RuntimeClassKind, {
    'a class with a cost and nodes of its own': {
      handler: 'sandbox',
      overhead: { podFixed: { cpu: '250m', memory: '64Mi' } },
      scheduling: { nodeSelector: { sandbox: 'yes' }, tolerations: [toleration] },
    },
  }),
];
