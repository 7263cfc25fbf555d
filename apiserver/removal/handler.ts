import { NODES_PATH } from '#api/well-known.ts';
import type { PathHandler } from '../contract.ts';
import { type RemovalDeps, removeNode } from './remove.ts';

const PATH = new RegExp(`^${NODES_PATH}/([^/]+)/leave$`);

/**
 * Removes a node for whoever RBAC lets `post` there, and for the node itself: NodeRestriction lets none delete its own Node, for as
 * a Node alone it would come back with the next heartbeat. Answers with a Removal.
 */
export function removalHandler(deps: RemovalDeps): PathHandler {
  return {
    path: PATH,
    verb: 'post',
    async serve(context) {
      const { path, query } = context.info;
      const name = PATH.exec(path)![1]!;
      const removal = await removeNode(name, query.get('force') === 'true', context, deps);
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(`${JSON.stringify(removal)}\n`),
      };
    },
  };
}
