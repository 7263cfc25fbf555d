import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { sameData } from '#api/validation/faults.ts';
import { isStatus } from '#machinery/errors.ts';
import { BOOTSTRAP_ACTOR } from '../authorization/reconcile.ts';
import type { Engine } from '../contract.ts';

/** Makes the object when there is none of its name. */
export async function ensure<T extends ApiObject>(engine: Engine, kind: Kind<T>, object: T): Promise<void> {
  if (engine.get(kind, object.metadata.name, object.metadata.namespace)) return;
  await engine.create(kind, object, BOOTSTRAP_ACTOR).catch((error: unknown) => {
    // Another server was faster.
    if (!isStatus(error, 'AlreadyExists')) throw error;
  });
}

type WithSpec = ApiObject & { spec?: unknown };

/** Makes the object, or brings the spec of the one that is there to `object`'s where `isOurs` says that it is the server's. */
export async function ensureSpec<T extends WithSpec>(
  engine: Engine,
  kind: Kind<T>,
  object: T,
  isOurs: (found: T) => boolean,
): Promise<void> {
  const { name } = object.metadata;
  const found = engine.get(kind, name);
  if (!found) return ensure(engine, kind, object);
  if (sameData(found.spec, object.spec)) return;
  await engine.update(kind, name, undefined, BOOTSTRAP_ACTOR, (current) =>
    isOurs(current) ? { ...current, spec: structuredClone(object.spec) } : current,
  );
}

/** Like ensure, and brings an existing object to this state: what it says may have changed since the last start. */
export async function put<T extends ApiObject>(engine: Engine, kind: Kind<T>, object: T): Promise<void> {
  const { name, namespace } = object.metadata;
  if (!engine.get(kind, name, namespace)) return ensure(engine, kind, object);
  await engine.update(kind, name, namespace, BOOTSTRAP_ACTOR, (current) => ({
    ...object,
    metadata: {
      ...current.metadata,
      labels: object.metadata.labels,
      annotations: object.metadata.annotations,
    },
  }));
}
