/**
 * The way between client-side and server-side apply: the annotation in which kubectl keeps what it applied last.
 * Source: apimachinery, managedfields lastappliedmanager and lastappliedupdater.
 */
import { isObject, type JsonObject, member } from '../schema/model.ts';

/** The annotation in which client-side apply keeps what it applied last. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What was applied last on the client's side; undefined when nothing readable was. */
export function lastAppliedOf(object: JsonObject | undefined): JsonObject | undefined {
  const metadata = object?.['metadata'];
  const annotations = isObject(metadata) ? metadata['annotations'] : undefined;
  const text = isObject(annotations) ? member(annotations, LAST_APPLIED) : undefined;
  if (typeof text !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whoever goes back to client-side apply finds there what was applied on the server. */
export function updateLastApplied(next: JsonObject, config: JsonObject): void {
  if (!lastAppliedOf(next)) return;
  const metadata = isObject(config['metadata']) ? { ...config['metadata'] } : {};
  delete metadata['managedFields'];
  const annotations = isObject(metadata['annotations']) ? { ...metadata['annotations'] } : undefined;
  if (annotations) delete annotations[LAST_APPLIED];
  const kept = { ...config, metadata: annotations ? { ...metadata, annotations } : metadata };
  const own = (next['metadata'] as JsonObject)['annotations'] as JsonObject;
  own[LAST_APPLIED] = `${JSON.stringify(kept)}\n`;
}
