/** The specimens of all kinds. Adding a group is a file in this folder and a line in the list. */
import { coordinationSpecimens } from './coordination.ts';
import type { Specimen } from './specimen.ts';

export const SPECIMENS: readonly Specimen[] = [...coordinationSpecimens];
