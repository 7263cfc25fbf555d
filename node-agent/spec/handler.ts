import { RuntimeClassKind } from '#api/kinds/runtime-class.ts';
import type { Pod } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';

/**
 * Who runs the pod, as the runtime knows it: the handler of its RuntimeClass; empty without one. Rejects with StatusError when
 * the class cannot be read. Source: Kubernetes documentation, "Runtime Class".
 */
export async function runtimeHandlerOf({ spec }: Pod, client: Pick<Client, 'get'>): Promise<string> {
  const name = spec?.runtimeClassName;
  return name ? (await client.get(RuntimeClassKind, { name })).handler : '';
}
