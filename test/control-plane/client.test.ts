import { clientConformance } from '#client/conformance.ts';
import { openControlPlane } from './open.ts';

clientConformance('rest over the apiserver in process', openControlPlane);
