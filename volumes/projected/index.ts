import { writePayload } from '../atomic.ts';
import { type VolumeContext, type VolumeDriver, VolumeError } from '../contract.ts';
import { downwardPayload } from '../downward-files.ts';
import type { VolumeFiles } from '../files.ts';
import { DEFAULT_FILE_MODE, keyedPayload, type PayloadFile } from '../payload.ts';

type Projections = NonNullable<NonNullable<VolumeContext['volume']['projected']>['sources']>;
type Projection = Projections[number];

/** How long a token lives when the volume does not say. Source: Kubernetes API, ServiceAccountTokenProjection. */
const TOKEN_SECONDS = 3600;

/** Several sources in one directory: tokens, ConfigMaps, Secrets and fields of the pod. Never on a disk. */
export function projectedDriver(files: VolumeFiles): VolumeDriver {
  return {
    name: 'projected',
    accepts: (volume) => volume.projected !== undefined,
    inMemory: () => true,
    async mount(context) {
      const source = context.volume.projected!;
      const mode = source.defaultMode ?? DEFAULT_FILE_MODE;
      const parts = await Promise.all(
        (source.sources ?? []).map((projection) => payloadOf(projection, context, mode)),
      );
      // A later source wins a path that two name, as the API says.
      const byPath = new Map(parts.flat().map((file) => [file.path, file]));
      await writePayload(files, context.directory, [...byPath.values()], context.fsGroup);
      return { path: context.directory, readOnly: true };
    },
    unmount: ({ directory }) => files.remove(directory),
  };
}

async function payloadOf(
  projection: Projection,
  context: VolumeContext,
  defaultMode: number,
): Promise<PayloadFile[]> {
  if (projection.serviceAccountToken)
    return [await tokenFile(projection.serviceAccountToken, context, defaultMode)];
  if (projection.configMap) {
    const { name = '', optional = false, items } = projection.configMap;
    const data = context.sources.configMap(name);
    return keyedPayload({ what: `configmap "${name}"`, data, optional, items, defaultMode });
  }
  if (projection.secret) {
    const { name = '', optional = false, items } = projection.secret;
    const data = context.sources.secret(name);
    return keyedPayload({ what: `secret "${name}"`, data, optional, items, defaultMode });
  }
  if (projection.downwardAPI)
    return downwardPayload(projection.downwardAPI.items ?? [], context, defaultMode);
  throw new VolumeError(`unsupported projection: ${Object.keys(projection).join(', ')}`, false);
}

async function tokenFile(
  token: NonNullable<Projection['serviceAccountToken']>,
  context: VolumeContext,
  defaultMode: number,
): Promise<PayloadFile> {
  const text = await context.sources.token(
    token.audience || undefined,
    token.expirationSeconds ?? TOKEN_SECONDS,
  );
  const owned = context.fsUser !== undefined || context.fsGroup !== undefined;
  return {
    path: token.path,
    data: Buffer.from(text),
    mode: owned ? 0o600 : defaultMode,
    ...(context.fsUser !== undefined && { uid: context.fsUser }),
  };
}
