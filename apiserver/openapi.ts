import { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { OpenApi } from './encoding/formats.ts';
import { parseAccept } from './encoding/negotiate.ts';
import { unknownPath } from './unknown-path.ts';

/**
 * The media types of the two documents. Clients ask with `@`, which a media type must not hold (Go refuses to parse it), so
 * the answer is spelled with `.`. Source: kube-openapi, handler and handler3.
 */
const V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const V3_PROTOBUF = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf';

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
  const v2 = path === '/openapi/v2';
  const protobuf = v2 ? V2_PROTOBUF : V3_PROTOBUF;
  const format = formatOf(accept, protobuf);
  const key = path.slice('/openapi/v3/'.length);
  const bytes = v2 ? openapi.v2(format) : openapi.v3Document(key, format);
  if (!bytes) throw unknownPath();
  const response = bytesResponse(bytes, format === 'json' ? 'application/json' : protobuf);
  if (!v2 && query.get('hash') === openapi.v3()[key]) {
    response.headers['cache-control'] = 'public, immutable';
    response.headers['etag'] = `"${openapi.v3()[key]}"`;
  }
  return response;
}

function formatOf(accept: string, protobuf: string): 'json' | 'protobuf' {
  const clauses = accept ? parseAccept(accept) : [];
  for (const { type } of clauses) {
    if (type.replace('@', '.') === protobuf) return 'protobuf';
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  }
  if (clauses.length === 0) return 'json';
  throw new StatusError(
    'NotAcceptable',
    `only the following media types are accepted: application/json, ${protobuf}`,
  );
}

function bytesResponse(body: Uint8Array, contentType: string): TransportResponse {
  return { status: 200, headers: { 'content-type': contentType }, body };
}
