/** Priority levels and flow schemas as data: the specs of the objects of flowcontrol.apiserver.k8s.io/v1. */
import type { FlowSchema as FlowSchemaObject, PriorityLevelConfiguration } from '#api/objects.ts';
import {
  MANDATORY_LEVELS,
  MANDATORY_SCHEMAS,
  SUGGESTED_LEVELS,
  SUGGESTED_SCHEMAS,
} from '#api/semantics/flow-control.ts';

export type FlowSchemaSpec = NonNullable<FlowSchemaObject['spec']>;
export type PriorityLevelSpec = NonNullable<PriorityLevelConfiguration['spec']>;
export type PolicyRules = NonNullable<FlowSchemaSpec['rules']>[number];

export interface FlowSchema {
  name: string;
  /** Told to clients in place of the name. */
  uid?: string;
  spec: FlowSchemaSpec;
}

export interface PriorityLevel {
  name: string;
  uid?: string;
  spec: PriorityLevelSpec;
}

export interface FairnessConfiguration {
  levels: readonly PriorityLevel[];
  schemas: readonly FlowSchema[];
}

/** An object as configuration; nothing of one without a spec. */
export function withSpec<T>(object: {
  metadata: { name: string; uid?: string };
  spec?: T;
}): { name: string; uid?: string; spec: T }[] {
  const { name, uid } = object.metadata;
  return object.spec ? [{ name, ...(uid !== undefined && { uid }), spec: object.spec }] : [];
}

/** For those whom no other schema fits; nobody waits there. */
export const CATCH_ALL = 'catch-all';

/** What is there in any case. */
export const MANDATORY: FairnessConfiguration = {
  levels: MANDATORY_LEVELS.flatMap(withSpec),
  schemas: MANDATORY_SCHEMAS.flatMap(withSpec),
};

/** What every cluster begins with. */
export const BUILT_IN: FairnessConfiguration = {
  levels: [...MANDATORY.levels, ...SUGGESTED_LEVELS.flatMap(withSpec)],
  schemas: [...MANDATORY.schemas, ...SUGGESTED_SCHEMAS.flatMap(withSpec)],
};
