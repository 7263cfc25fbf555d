import type { ApiObject, PolicyRule, RbacSubject } from '#api/objects.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Engine } from '../contract.ts';
import { AUTOUPDATE, BOOTSTRAP_POLICY } from './bootstrap.ts';
import { notCovered } from './rules.ts';

/** Who writes the defaults; a member of system:masters. */
export const BOOTSTRAP_ACTOR = 'system:apiserver';

/**
 * Makes the default roles and bindings that are missing and adds rules and subjects that are missing from them. Never
 * takes anything away, and leaves alone what carries `autoupdate: "false"`. To be run at every start. Needs the namespace
 * kube-system.
 */
export async function reconcilePolicy(engine: Engine): Promise<void> {
  for (const { kind, objects } of BOOTSTRAP_POLICY) {
    await Promise.all(
      objects.map(async (wanted) => {
        const { name, namespace } = wanted.metadata;
        const found = engine.get(kind, name, namespace);
        if (!found) {
          await engine.create(kind, structuredClone(wanted), BOOTSTRAP_ACTOR).catch(ignoreExisting);
        } else if (found.metadata.annotations?.[AUTOUPDATE] !== 'false' && completed(found, wanted)) {
          await engine.update(kind, name, namespace, BOOTSTRAP_ACTOR, (now) => completed(now, wanted) ?? now);
        }
      }),
    );
  }
}

type PolicyObject = ApiObject & { rules?: PolicyRule[]; subjects?: RbacSubject[] };

/** `found` with what `wanted` has beyond it; undefined when there is nothing. */
function completed(found: PolicyObject, wanted: PolicyObject): PolicyObject | undefined {
  const rules = notCovered(found.rules ?? [], wanted.rules ?? []);
  const subjects = (wanted.subjects ?? []).filter(
    (subject) =>
      !(found.subjects ?? []).some((other) => other.kind === subject.kind && other.name === subject.name),
  );
  if (rules.length === 0 && subjects.length === 0) return undefined;
  return {
    ...found,
    ...(rules.length > 0 && { rules: [...(found.rules ?? []), ...rules] }),
    ...(subjects.length > 0 && { subjects: [...(found.subjects ?? []), ...subjects] }),
  };
}

/** Another server was quicker. */
function ignoreExisting(error: unknown): void {
  if (!isStatus(error, 'AlreadyExists')) throw error;
}
