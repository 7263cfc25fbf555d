import { type VolumeContext, VolumeError } from './contract.ts';
import { fieldValue, type ResourceField, resourceValue } from './downward.ts';
import type { PayloadFile } from './payload.ts';

export interface DownwardItem {
  path: string;
  fieldRef?: { fieldPath: string };
  resourceFieldRef?: ResourceField;
  mode?: number;
}

/** The files of downward API items. Throws VolumeError for a field that cannot be asked for. */
export function downwardPayload(
  items: readonly DownwardItem[],
  context: VolumeContext,
  defaultMode: number,
): PayloadFile[] {
  const facts = { pod: context.pod, nodeAllocatable: context.nodeAllocatable };
  return items.map((item) => {
    const text = item.fieldRef
      ? fieldValue(item.fieldRef.fieldPath, facts)
      : resourceValue(item.resourceFieldRef ?? { resource: '' }, '', facts);
    if (text === undefined) {
      const asked = item.fieldRef?.fieldPath ?? item.resourceFieldRef?.resource;
      throw new VolumeError(`unsupported field path ${JSON.stringify(asked)} for file ${item.path}`, false);
    }
    return { path: item.path, data: Buffer.from(text), mode: item.mode ?? defaultMode };
  });
}
