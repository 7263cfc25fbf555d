import { defaultVolumeSpec } from '../defaults/persistent-volume.ts';
import type { Kind } from '../kind.ts';
import type { VolumeAttachment } from '../objects.ts';
import { checkVolumeAttachment, checkVolumeAttachmentStatus } from '../validation/csi.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** The wish that a volume be attached to a node. */
export const VolumeAttachmentKind: Kind<VolumeAttachment> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  singular: 'volumeattachment',
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.VolumeAttachment',
  subresources: { status: true },
  strategy: strategyOf<VolumeAttachment>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(attachment) {
      attachment.status ??= { attached: false };
      attachment.status.attached ??= false;
      const inline = attachment.spec?.source?.inlineVolumeSpec;
      if (inline) defaultVolumeSpec(inline);
    },
    prepareForCreate(attachment) {
      attachment.status = { attached: false };
    },
    check: checkVolumeAttachment,
    checkUpdate: (attachment, old, faults) => faults.immutable('spec', attachment.spec, old.spec),
    checkStatus: (attachment, _old, faults) => checkVolumeAttachmentStatus(attachment.status, faults),
  }),
  columns: [
    nameColumn,
    column('Attacher', 'string', 'The driver.', ({ spec }) => spec?.attacher ?? ''),
    column('PV', 'string', 'The volume.', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    column('Node', 'string', 'The node.', ({ spec }) => spec?.nodeName ?? ''),
    column('Attached', 'boolean', 'Whether it is there.', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
};
