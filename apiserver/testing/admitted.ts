import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Identity } from '#machinery/transport.ts';
import { admissionPlugins } from '../admission/index.ts';
import { authorizer } from '../authorization/index.ts';
import type { AdmissionOperation, AdmissionRequest } from '../contract.ts';
import type { FakeEngine } from '../fake/engine.ts';

export interface Write {
  operation?: AdmissionOperation;
  old?: ApiObject;
  subresource?: string;
  identity?: Identity;
}

/** Runs all plugins over a write as the engine does and returns the object. A create by `ann` unless told otherwise. */
export async function admitted<T extends ApiObject>(
  { objects, clock }: { objects: FakeEngine; clock: Clock },
  kind: Kind<T>,
  object: T | undefined,
  write: Write = {},
): Promise<T> {
  const { operation = 'CREATE', old, subresource = '', identity = { name: 'ann', groups: [] } } = write;
  const about = (object ?? old)!;
  const request = {
    operation,
    kind,
    subresource,
    namespace: about.metadata.namespace ?? '',
    name: about.metadata.name,
    identity,
    object,
    old,
    dryRun: false,
  } as unknown as AdmissionRequest;
  const plugins = admissionPlugins({ authorizer: authorizer(objects), clock, random: seededRandom(1) });
  for (const phase of ['mutate', 'validate'] as const) {
    for (const plugin of plugins) await plugin[phase]?.(request, objects);
  }
  return object as T;
}
