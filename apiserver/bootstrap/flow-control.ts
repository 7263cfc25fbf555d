import { FlowSchemaKind } from '#api/kinds/flow-schema.ts';
import { PriorityLevelConfigurationKind } from '#api/kinds/priority-level-configuration.ts';
import type { ApiObject, PriorityLevelConfiguration } from '#api/objects.ts';
import {
  AUTOUPDATE_SPEC,
  MANDATORY_LEVELS,
  MANDATORY_SCHEMAS,
  SUGGESTED_LEVELS,
  SUGGESTED_SCHEMAS,
} from '#api/semantics/flow-control.ts';
import type { Engine } from '../contract.ts';
import { ensureSpec } from './ensure.ts';

/** Makes the flow schemas and priority levels that every cluster has, and brings those to date that are left to the server. */
export async function ensureFlowControl(engine: Engine): Promise<void> {
  const levels = [...MANDATORY_LEVELS, ...SUGGESTED_LEVELS].map((level) =>
    ensureSpec(engine, PriorityLevelConfigurationKind, withLent(engine, level), isOurs),
  );
  const schemas = [...MANDATORY_SCHEMAS, ...SUGGESTED_SCHEMAS].map((schema) =>
    ensureSpec(engine, FlowSchemaKind, schema, isOurs),
  );
  await Promise.all([...levels, ...schemas]);
}

/** Those that nobody has touched, or that say so. Source: Kubernetes, annotation apf.kubernetes.io/autoupdate-spec. */
function isOurs({ metadata }: ApiObject): boolean {
  const said = metadata.annotations?.[AUTOUPDATE_SPEC];
  return said === 'true' || (said === undefined && metadata.generation === 1);
}

/** What the exempt level lends is for administrators to say, whoever keeps the rest. */
function withLent(engine: Engine, level: PriorityLevelConfiguration): PriorityLevelConfiguration {
  const exempt = engine.get(PriorityLevelConfigurationKind, level.metadata.name)?.spec?.exempt;
  return exempt && level.spec?.exempt ? { ...level, spec: { ...level.spec, exempt } } : level;
}
