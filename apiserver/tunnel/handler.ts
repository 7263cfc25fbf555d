import type { Duplex } from 'node:stream';
import { LINK_PROTOCOL, SERVERS_GROUP, TUNNEL_PROTOCOLS } from '#api/node-link.ts';
import { StatusError } from '#machinery/errors.ts';
import { STREAM_CLASSES, type TunnelTarget } from '#machinery/tunnel/tunnel.ts';
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

/**
 * Where another server of the cluster asks for a stream to a node that is connected here, because it is not there. What goes through it was
 * authorized there; who may come is a server alone, by its certificate: not even an administrator. It leads to this server's own tunnels and
 * never to a third server, so no stream goes in a circle.
 */
export function linkHandler(links: NodeLinks): ResourceHandler {
  return {
    resource: 'nodes.gantry.dev/link',
    async upgrade({ info, request, identity }) {
      if (request.headers['upgrade'] !== LINK_PROTOCOL)
        throw new StatusError('BadRequest', `this path is for an upgrade to ${LINK_PROTOCOL}`);
      if (!identity.groups.includes(SERVERS_GROUP))
        throw new StatusError('Forbidden', 'only a server of the cluster may ask for a link to a node');
      const use = STREAM_CLASSES.find((each) => each === info.query.get('class'));
      if (!use) throw new StatusError('BadRequest', `class is one of ${STREAM_CLASSES.join(', ')}`);
      if (!links.connected(info.name))
        throw new StatusError(
          'NotFound',
          `node ${JSON.stringify(info.name)} is not connected to this server`,
        );
      const address = info.query.get('address');
      const target: TunnelTarget = address === null ? { kind: 'agent' } : { kind: 'dial', address };
      const headers = { connection: 'Upgrade', upgrade: LINK_PROTOCOL };
      return { status: 101, headers, stream: await links.stream(info.name, target, use) };
    },
  };
}

/** HTTP/2 takes over the socket below the stream, and Node aborts when one of our writes is still on its way then. */
function writeAll(stream: Duplex, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
