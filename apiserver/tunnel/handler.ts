import type { Duplex } from 'node:stream';
import { TUNNEL_PROTOCOLS } from '#api/node-link.ts';
import { StatusError } from '#machinery/errors.ts';
import { STREAM_CLASSES } from '#machinery/tunnel/tunnel.ts';
import { nodeNameOf } from '../authorization/node.ts';
import type { ResourceHandler } from '../contract.ts';
import type { NodeLinks } from './node-links.ts';

/** Where an agent dials in. Only the node itself may: not even an administrator can take a node's place. */
export function tunnelHandler(links: NodeLinks): ResourceHandler {
  return {
    resource: 'nodes.gantry.dev/tunnel',
    async upgrade({ info, request, identity }, client) {
      const use = STREAM_CLASSES.find((each) => TUNNEL_PROTOCOLS[each] === request.headers['upgrade']);
      if (!use) {
        const known = Object.values(TUNNEL_PROTOCOLS).join(' or ');
        throw new StatusError('BadRequest', `this path is for an upgrade to ${known}`);
      }
      if (nodeNameOf(identity) !== info.name) {
        throw new StatusError(
          'Forbidden',
          `nodes.gantry.dev ${JSON.stringify(info.name)} is forbidden: only the node itself may open its tunnel`,
          { name: info.name, group: info.group, kind: info.resource },
        );
      }
      await writeAll(
        client,
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL_PROTOCOLS[use]}\r\n\r\n`,
      );
      links.accept(info.name, use, client);
      return undefined;
    },
  };
}

/** HTTP/2 takes over the socket below the stream, and Node aborts when one of our writes is still on its way then. */
function writeAll(stream: Duplex, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
