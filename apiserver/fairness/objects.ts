/**
 * FlowSchema and PriorityLevelConfiguration objects as the configuration of priority and fairness, from the moment the
 * server serves them. Source: Kubernetes, "API Priority and Fairness"; flowcontrol.apiserver.k8s.io/v1.
 */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { KindIndex } from '../engine/kind-index.ts';
import type { FlowSchemaSpec, PriorityLevelSpec } from './configuration.ts';
import type { Fairness } from './index.ts';

const GROUP = 'flowcontrol.apiserver.k8s.io';

type SchemaObject = ApiObject & { spec?: FlowSchemaSpec; status?: { conditions?: Condition[] } };
type LevelObject = ApiObject & { spec?: PriorityLevelSpec };

interface Condition {
  type?: string;
  status?: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** What is read and written of the objects. */
export interface FlowObjects {
  list<T extends ApiObject>(kind: Kind<T>): readonly T[];
  onChange<T extends ApiObject>(kind: Kind<T>, listener: () => void): () => void;
  /** Rejects when the object is gone, or somebody else has just changed it. */
  updateStatus(kind: Kind, name: string, change: (object: ApiObject) => ApiObject): Promise<unknown>;
}

/**
 * Follows the objects until `stop` is called; `settled` resolves when those that are there are in force and have been told
 * so. Without any level among them the built-in configuration stays: they have not been made yet.
 */
export function followFlowObjects(parts: {
  kinds: KindIndex;
  objects: FlowObjects;
  fairness: Fairness;
  clock: Clock;
  log: Logger;
}): { settled: Promise<void>; stop(): void } {
  const { kinds, objects, fairness } = parts;
  const schemaKind = kinds.at(GROUP, 'v1', 'flowschemas') as Kind<SchemaObject> | undefined;
  const levelKind = kinds.at(GROUP, 'v1', 'prioritylevelconfigurations') as Kind<LevelObject> | undefined;
  if (!schemaKind || !levelKind) return { settled: Promise.resolve(), stop() {} };
  let isPlanned = false;
  const read = async (): Promise<void> => {
    isPlanned = false;
    const levels = objects.list(levelKind);
    const schemas = objects.list(schemaKind);
    if (levels.length === 0) return;
    fairness.configure({ levels: levels.flatMap(withSpec), schemas: schemas.flatMap(withSpec) });
    const names = new Set(levels.map(({ metadata }) => metadata.name));
    await Promise.all(schemas.map((schema) => tellDangling(parts, schemaKind, schema, names)));
  };
  // One change of many objects is one change of the configuration.
  const plan = () => {
    if (!isPlanned) queueMicrotask(() => void read());
    isPlanned = true;
  };
  const stops = [objects.onChange(schemaKind, plan), objects.onChange(levelKind, plan)];
  return {
    settled: read(),
    stop() {
      for (const stop of stops) stop();
    },
  };
}

function withSpec<T>({
  metadata,
  spec,
}: ApiObject & { spec?: T }): { name: string; uid?: string; spec: T }[] {
  const { name, uid } = metadata;
  return spec ? [{ name, ...(uid !== undefined && { uid }), spec }] : [];
}

/** Writes into a schema whether its level is there, when it does not say so yet. */
async function tellDangling(
  { objects, clock, log }: Parameters<typeof followFlowObjects>[0],
  kind: Kind<SchemaObject>,
  schema: SchemaObject,
  levels: ReadonlySet<string>,
): Promise<void> {
  const level = schema.spec?.priorityLevelConfiguration.name ?? '';
  const isThere = levels.has(level);
  const others = (object: SchemaObject) =>
    (object.status?.conditions ?? []).filter(({ type }) => type !== 'Dangling');
  const said = schema.status?.conditions?.find(({ type }) => type === 'Dangling');
  const status = isThere ? 'False' : 'True';
  const about = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  const message = `${about} ${isThere ? 'and it exists' : 'but there is no such object'}`;
  if (said?.status === status && said.message === message) return;
  const condition: Condition = {
    type: 'Dangling',
    status,
    lastTransitionTime: said?.status === status ? said.lastTransitionTime : rfc3339(clock.now()),
    reason: isThere ? 'Found' : 'NotFound',
    message,
  };
  const { name } = schema.metadata;
  await objects
    .updateStatus(kind as unknown as Kind, name, (object) => {
      const conditions = [...others(object as SchemaObject), condition];
      return { ...object, status: { ...(object as SchemaObject).status, conditions } } as ApiObject;
    })
    // The next change of the object, or of the configuration, brings it here again.
    .catch((error: unknown) => log.debug('a flow schema was not told of its level', { error, name }));
}
