import { StatusError } from '../errors.ts';
import type { Upgrade, UpgradeRequest } from './contract.ts';
import { wordsOf } from './websocket.ts';

/** The upgrade to SPDY/3.1 with the stream protocol in a header of its own. Source: Kubernetes httpstream. */
const STREAM_PROTOCOL = 'x-stream-protocol-version';

export function isSpdy(request: UpgradeRequest): boolean {
  return wordsOf(request.headers.upgrade).some((each) => each.toLowerCase() === 'spdy/3.1');
}

/** Answers with the first stream protocol of the client that is in `accepted`. Throws after refusing when none is. */
export function acceptSpdy(upgrade: Upgrade, accepted: readonly string[]): void {
  const offered = wordsOf(upgrade.request.headers[STREAM_PROTOCOL]);
  // Clients before the header existed mean the oldest protocol by its absence, which is none of ours.
  const chosen = offered.find((each) => accepted.includes(each));
  if (chosen === undefined) {
    throw refuse(
      upgrade,
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${accepted.join(' ')}]`,
    );
  }
  upgrade.socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${chosen}`,
      '\r\n',
    ].join('\r\n'),
  );
  if (upgrade.head?.length) upgrade.socket.unshift(upgrade.head);
}

/** Answers 400 with a Status, closes, and returns the error to throw. */
export function refuse(upgrade: Upgrade, message: string): StatusError {
  const error = new StatusError('BadRequest', message);
  const body = JSON.stringify(error.status());
  upgrade.socket.end(
    [
      `HTTP/1.1 ${error.code} Bad Request`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  return error;
}
