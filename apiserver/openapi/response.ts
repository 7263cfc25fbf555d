import { StatusError } from '#machinery/errors.ts';
import { acceptsOpenApiV2Protobuf, OPENAPI_V2_PROTOBUF } from '#machinery/openapi/v2-protobuf.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { OpenApi } from '../encoding/formats.ts';
import { parseAccept } from '../encoding/negotiate.ts';
import { unknownPath } from '../unknown-path.ts';

/** /openapi/v2, /openapi/v3 and /openapi/v3/<path>. A document asked for with the right hash may be kept for good. */
export function openApiResponse(
  path: string,
  accept: string,
  query: URLSearchParams,
  openapi: OpenApi,
): TransportResponse {
  if (path === '/openapi/v3') {
    const paths = Object.fromEntries(
      Object.entries(openapi.v3()).map(([key, hash]) => [
        key,
        { serverRelativeURL: `/openapi/v3/${key}?hash=${encodeURIComponent(hash)}` },
      ]),
    );
    return bytesResponse(Buffer.from(`${JSON.stringify({ paths })}\n`), 'application/json');
  }
  if (path === '/openapi/v2') {
    const protobuf = acceptsOpenApiV2Protobuf(accept);
    if (!protobuf) requireJson(accept);
    return bytesResponse(
      openapi.v2(protobuf ? 'protobuf' : 'json'),
      protobuf ? OPENAPI_V2_PROTOBUF : 'application/json',
    );
  }
  requireJson(accept);
  const key = path.slice('/openapi/v3/'.length);
  const bytes = openapi.v3Document(key);
  if (!bytes) throw unknownPath();
  const response = bytesResponse(bytes, 'application/json');
  if (query.get('hash') === openapi.v3()[key]) {
    response.headers['cache-control'] = 'public, immutable';
    response.headers['etag'] = `"${openapi.v3()[key]}"`;
  }
  return response;
}

function requireJson(accept: string): void {
  const types = accept ? parseAccept(accept).map(({ type }) => type) : ['*/*'];
  if (types.some((type) => type === 'application/json' || type === '*/*' || type === 'application/*')) return;
  throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json');
}

function bytesResponse(body: Uint8Array, contentType: string): TransportResponse {
  return { status: 200, headers: { 'content-type': contentType }, body };
}
