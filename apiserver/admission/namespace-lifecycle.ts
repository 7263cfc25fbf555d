import { NamespaceKind } from '#api/kinds/namespace.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { appear } from './appear.ts';
import { refusal } from './refuse.ts';

/** Namespaces that are always there. */
const IMMORTAL_NAMESPACES = ['default', 'kube-system', 'kube-public'];

/** As long as Kubernetes waits for a namespace that another server has just made. */
const MISSING_WAIT_MS = 50;

/** Nothing is written into a namespace that is not there, nothing new into one that ends. Source: Kubernetes NamespaceLifecycle. */
export function namespaceLifecycle(clock: Clock): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    async mutate(request, objects) {
      const { kind, operation, namespace } = request;
      if (operation === 'DELETE' || !kind.namespaced || kind.virtual) return;
      const found =
        objects.get(NamespaceKind, namespace) ??
        (await appear(objects, NamespaceKind, { name: namespace }, MISSING_WAIT_MS, clock));
      if (!found) {
        throw new StatusError('NotFound', `namespaces ${JSON.stringify(namespace)} not found`, {
          name: namespace,
          kind: 'namespaces',
        });
      }
      const ends = found.metadata.deletionTimestamp !== undefined || found.status?.phase === 'Terminating';
      if (operation !== 'CREATE' || !ends) return;
      throw refusal(
        request,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
        [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      );
    },
    validate(request) {
      const { kind, operation, name } = request;
      if (operation !== 'DELETE' || kind.plural !== 'namespaces' || kind.group !== '') return;
      if (IMMORTAL_NAMESPACES.includes(name)) throw refusal(request, 'this namespace may not be deleted');
    },
  };
}
