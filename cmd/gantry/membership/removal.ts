import { leavePath } from '#api/well-known.ts';
import type { Removal } from '#apiserver/removal/remove.ts';
import { StatusError } from '#machinery/errors.ts';
import { collect, type Transport } from '#machinery/transport.ts';

/** Has the cluster remove a node. Rejects with a StatusError: NotFound, Conflict for a server at work, Unauthorized for one removed. */
export async function askRemoval(transport: Transport, node: string, force = false): Promise<Removal> {
  const path = leavePath(encodeURIComponent(node)) + (force ? '?force=true' : '');
  const { status, body } = await transport.request({ method: 'POST', path, headers: {} });
  const answer = JSON.parse(Buffer.from(await collect(body)).toString());
  if (status !== 200) throw StatusError.from(answer, status);
  return answer as Removal;
}
