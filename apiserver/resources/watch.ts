/**
 * WATCH. All watchers of a kind share the bytes of each event; one that reads too slowly is dropped and comes back with
 * the resourceVersion it has. Source: Kubernetes API concepts, "Efficient detection of changes", "Streaming lists".
 */
import { PROTOBUF_WATCH_TYPE } from '#machinery/protobuf/envelope.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { CONTENT_TYPES } from '../encoding/negotiate.ts';
import { streamsProtobuf } from '../encoding/render.ts';
import { badRequest } from '../engine/faults.ts';
import { checkWatchOptions } from './options.ts';
import { versionOf } from './read.ts';
import { rendererOf, type Scope } from './scope.ts';
import { selectionOf } from './selection.ts';
import { WatchStream } from './watch-stream.ts';

export async function watchResource(scope: Scope): Promise<TransportResponse> {
  const { query } = scope.context.info;
  checkWatchOptions(query);
  const { cache } = scope.parts.storage;
  const selection = selectionOf(scope.kind, query);
  const version = versionOf(query);
  const initial = query.get('sendInitialEvents') === 'true';
  if (query.has('at')) throw badRequest('at: Forbidden: only what is read once can be of a time');
  if (version) {
    await cache.waitFor(version);
    if (!initial) await cache.recall(cache.of(scope.stored), version);
  } else {
    const waiting = version === undefined ? cache.fresh() : undefined;
    if (waiting) await waiting;
  }
  const renderer = rendererOf(scope);
  const contentType = streamsProtobuf(renderer) ? PROTOBUF_WATCH_TYPE : CONTENT_TYPES.json;
  const stream = new WatchStream(scope, renderer, selection, { version, initial });
  return { status: 200, headers: { 'content-type': contentType }, body: stream.read(), cut: stream.cut };
}
