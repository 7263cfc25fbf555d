/**
 * FlowSchema and PriorityLevelConfiguration objects as the configuration of priority and fairness. Source: Kubernetes,
 * "API Priority and Fairness"; flowcontrol.apiserver.k8s.io/v1.
 */
import type { Kind } from '#api/kind.ts';
import { FlowSchemaKind } from '#api/kinds/flow-schema.ts';
import { PriorityLevelConfigurationKind } from '#api/kinds/priority-level-configuration.ts';
import type { ApiObject, FlowSchema } from '#api/objects.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { withSpec } from './configuration.ts';
import type { Fairness } from './index.ts';

type Condition = NonNullable<NonNullable<FlowSchema['status']>['conditions']>[number];

/** What is read and written of the objects. */
export interface FlowObjects {
  /** Resolves when every write that was acknowledged before can be read. */
  fresh(): Promise<void>;
  list<T extends ApiObject>(kind: Kind<T>): readonly T[];
  onChange<T extends ApiObject>(kind: Kind<T>, listener: () => void): () => void;
  /** Rejects when the object is gone, or others change it all the time. */
  updateStatus(name: string, change: (schema: FlowSchema) => FlowSchema): Promise<unknown>;
}

interface Parts {
  objects: FlowObjects;
  fairness: Fairness;
  clock: Clock;
  log: Logger;
}

/**
 * Follows the objects until the answer is called, and tells each schema whether its level is there. Resolves when what
 * there is by then has been taken and told. Without any level among them the built-in configuration stays.
 */
export async function followFlowObjects(parts: Parts): Promise<() => void> {
  const { objects, fairness } = parts;
  let isPlanned = false;
  const read = async () => {
    isPlanned = false;
    const levels = objects.list(PriorityLevelConfigurationKind);
    const schemas = objects.list(FlowSchemaKind);
    if (levels.length === 0) return;
    fairness.configure({ levels: levels.flatMap(withSpec), schemas: schemas.flatMap(withSpec) });
    const names = new Set(levels.map(({ metadata }) => metadata.name));
    await Promise.all(schemas.map((schema) => tellDangling(parts, schema, names)));
  };
  // One change of many objects is one change of the configuration.
  const plan = () => {
    if (!isPlanned) queueMicrotask(() => void read());
    isPlanned = true;
  };
  await objects.fresh();
  await read();
  const stops = [
    objects.onChange(FlowSchemaKind, plan),
    objects.onChange(PriorityLevelConfigurationKind, plan),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Writes into a schema whether its level is there, when it does not say so yet. */
async function tellDangling(
  { objects, clock, log }: Parts,
  schema: FlowSchema,
  levels: ReadonlySet<string>,
): Promise<void> {
  const level = schema.spec?.priorityLevelConfiguration.name ?? '';
  const isThere = levels.has(level);
  const said = schema.status?.conditions?.find(({ type }) => type === 'Dangling');
  const status = isThere ? 'False' : 'True';
  const about = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  const message = `${about} ${isThere ? 'and it exists' : 'but there is no such object'}`;
  if (said?.status === status && said.message === message) return;
  const since = said?.status === status ? said.lastTransitionTime : undefined;
  const condition: Condition = {
    type: 'Dangling',
    status,
    lastTransitionTime: since ?? rfc3339(clock.now()),
    reason: isThere ? 'Found' : 'NotFound',
    message,
  };
  const { name } = schema.metadata;
  try {
    await objects.updateStatus(name, (current) => {
      const others = (current.status?.conditions ?? []).filter(({ type }) => type !== 'Dangling');
      return { ...current, status: { ...current.status, conditions: [...others, condition] } };
    });
  } catch (error) {
    // The next change of the object, or of the configuration, brings it here again.
    log.debug('a flow schema was not told of its level', { error, name });
  }
}
