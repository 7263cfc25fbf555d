import type { Filter } from '../contract.ts';

/** No other pod of the node may hold the host ports that the pod asks for. */
export const hostPorts: Filter = {
  name: 'NodePorts',
  refuses: (needs, node) =>
    needs.hostPorts.some((port) => node.holdsPort(port))
      ? [{ reason: 'HostPorts', message: "node(s) didn't have free ports for the requested pod ports" }]
      : undefined,
};
