import type { NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Random } from '#machinery/random.ts';
import type { ResourceHandler } from '../contract.ts';
import { podLogHandler } from './pod-log.ts';
import { podStreamHandlers } from './pod-streams.ts';
import { nodeProxyHandler, podProxyHandler, serviceProxyHandler } from './proxy.ts';

/** The subresources that are answered by a node. */
export function nodeSubresources(link: NodeLink, clock: Clock, random: Random): readonly ResourceHandler[] {
  return [
    podLogHandler(link, clock),
    ...podStreamHandlers(link),
    nodeProxyHandler(link),
    podProxyHandler(link, clock),
    serviceProxyHandler(link, clock, random),
  ];
}
