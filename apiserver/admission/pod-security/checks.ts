import type { Container, ObjectMeta, PodSpec } from '#api/objects.ts';
import { SAFE_SYSCTLS } from '#api/semantics/sysctls.ts';

/**
 * What the Pod Security Standards forbid, as data: each check says nothing or what is wrong, in the words of Kubernetes.
 * Pure. Source: kubernetes.io, Pod Security Standards; k8s.io/pod-security-admission/policy.
 */
export type Level = 'privileged' | 'baseline' | 'restricted';
export const LEVELS: readonly Level[] = ['privileged', 'baseline', 'restricted'];

export interface CheckedPod {
  metadata: Pick<ObjectMeta, 'annotations'>;
  spec: PodSpec;
}

/** Undefined = allowed. */
type Check = (pod: CheckedPod) => string | undefined;

/** Every violation of `level`, in the order of the standard. */
export function violations(level: Level, pod: CheckedPod): string[] {
  const checks = { privileged: [], baseline: BASELINE, restricted: [...BASELINE, ...RESTRICTED] }[level];
  const found = checks.map((check) => check(pod)).filter((each) => each !== undefined);
  return [...new Set(found)];
}

type Named = Pick<Container, 'name' | 'securityContext' | 'ports'>;

function containersOf(spec: PodSpec): Named[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

const quoted = (names: string[]) => names.map((name) => JSON.stringify(name)).join(', ');
const plural = (word: string, many: boolean) => (many ? `${word}s` : word);

/** `container "a"` or `containers "a", "b"` of those that `is` holds for; undefined for none. */
function those(spec: PodSpec, is: (container: Named) => boolean): string | undefined {
  const names = containersOf(spec)
    .filter(is)
    .map((container) => container.name);
  return names.length === 0 ? undefined : `${plural('container', names.length > 1)} ${quoted(names)}`;
}

const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const SELINUX_TYPES = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);

function added(container: Named): string[] {
  return container.securityContext?.capabilities?.add ?? [];
}

const hostNamespaces: Check = ({ spec }) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]);
  return used.length === 0
    ? undefined
    : `host namespaces (${used.map((field) => `${field}=true`).join(', ')})`;
};

const privileged: Check = ({ spec }) => {
  const who = those(spec, (container) => container.securityContext?.privileged === true);
  return who && `privileged (${who} must not set securityContext.privileged=true)`;
};

const capabilitiesBaseline: Check = ({ spec }) => {
  const beyond = (container: Named) => added(container).filter((each) => !DEFAULT_CAPABILITIES.has(each));
  const who = those(spec, (container) => beyond(container).length > 0);
  const names = [...new Set(containersOf(spec).flatMap(beyond))].sort();
  return (
    who &&
    `non-default capabilities (${who} must not include ${quoted(names)} in securityContext.capabilities.add)`
  );
};

const hostPathVolumes: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter((volume) => volume.hostPath).map((volume) => volume.name);
  return names.length === 0
    ? undefined
    : `hostPath volumes (${plural('volume', names.length > 1)} ${quoted(names)})`;
};

const hostPorts: Check = ({ spec }) => {
  const portsOf = (container: Named) =>
    (container.ports ?? []).flatMap((port) => (port.hostPort ? [port.hostPort] : []));
  const who = those(spec, (container) => portsOf(container).length > 0);
  const ports = containersOf(spec).flatMap(portsOf);
  return who && `hostPort (${who} uses ${plural('hostPort', ports.length > 1)} ${ports.join(', ')})`;
};

const appArmor: Check = ({ metadata, spec }) => {
  const bad = Object.entries(metadata.annotations ?? {}).filter(
    ([key, value]) =>
      key.startsWith('container.apparmor.security.beta.kubernetes.io/') &&
      value !== 'runtime/default' &&
      value !== '' &&
      !value.startsWith('localhost/'),
  );
  const unconfined = those(
    spec,
    (container) => container.securityContext?.appArmorProfile?.type === 'Unconfined',
  );
  const pod = spec.securityContext?.appArmorProfile?.type === 'Unconfined';
  if (bad.length === 0 && !unconfined && !pod) return undefined;
  const words = [
    ...bad.map(([key, value]) => `annotation ${JSON.stringify(`${key}=${value}`)}`),
    ...(pod ? ['pod must not set AppArmor profile type to "Unconfined"'] : []),
    ...(unconfined ? [`${unconfined} must not set AppArmor profile type to "Unconfined"`] : []),
  ];
  return `forbidden AppArmor profile (${words.join(', ')})`;
};

const seLinux: Check = ({ spec }) => {
  const contexts = [
    spec.securityContext,
    ...containersOf(spec).map((container) => container.securityContext),
  ];
  const bad = contexts.some(
    (context) =>
      !SELINUX_TYPES.has(context?.seLinuxOptions?.type ?? '') ||
      context?.seLinuxOptions?.user ||
      context?.seLinuxOptions?.role,
  );
  return bad ? 'seLinuxOptions (a type, user or role that the standard does not know was set)' : undefined;
};

const procMount: Check = ({ spec }) => {
  const isBad = (container: Named) => (container.securityContext?.procMount ?? 'Default') !== 'Default';
  const who = those(spec, isBad);
  return who && `procMount (${who} must not set securityContext.procMount to "Unmasked")`;
};

const seccompBaseline: Check = ({ spec }) => {
  const pod = spec.securityContext?.seccompProfile?.type === 'Unconfined';
  const who = those(spec, (container) => container.securityContext?.seccompProfile?.type === 'Unconfined');
  if (!pod && !who) return undefined;
  const subject = [...(pod ? ['pod'] : []), ...(who ? [who] : [])].join(' and ');
  return `seccompProfile (${subject} must not set securityContext.seccompProfile.type to "Unconfined")`;
};

const sysctls: Check = ({ spec }) => {
  const bad = (spec.securityContext?.sysctls ?? [])
    .map((each) => each.name)
    .filter((name) => !SAFE_SYSCTLS.has(name));
  return bad.length === 0 ? undefined : `forbidden sysctls (${bad.join(', ')})`;
};

const BASELINE: readonly Check[] = [
  hostNamespaces,
  privileged,
  capabilitiesBaseline,
  hostPathVolumes,
  hostPorts,
  appArmor,
  seLinux,
  procMount,
  seccompBaseline,
  sysctls,
];

const allowPrivilegeEscalation: Check = ({ spec }) => {
  const who = those(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false);
  return (
    who &&
    `allowPrivilegeEscalation != false (${who} must set securityContext.allowPrivilegeEscalation=false)`
  );
};

const capabilitiesRestricted: Check = ({ spec }) => {
  const keeps = (container: Named) => !(container.securityContext?.capabilities?.drop ?? []).includes('ALL');
  const adds = (container: Named) => added(container).some((each) => each !== 'NET_BIND_SERVICE');
  const [keeping, adding] = [those(spec, keeps), those(spec, adds)];
  const names = [...new Set(containersOf(spec).flatMap(added))]
    .filter((each) => each !== 'NET_BIND_SERVICE')
    .sort();
  const words = [
    ...(keeping ? [`${keeping} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding ? [`${adding} must not include ${quoted(names)} in securityContext.capabilities.add`] : []),
  ];
  return words.length === 0 ? undefined : `unrestricted capabilities (${words.join('; ')})`;
};

const VOLUME_TYPES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

const restrictedVolumes: Check = ({ spec }) => {
  const typesOf = (volume: object) =>
    Object.entries(volume).flatMap(([key, value]) => (key !== 'name' && value ? [key] : []));
  const bad = (spec.volumes ?? []).filter((volume) =>
    typesOf(volume).some((type) => !VOLUME_TYPES.has(type)),
  );
  if (bad.length === 0) return undefined;
  const types = [...new Set(bad.flatMap(typesOf))].sort();
  const names = quoted(bad.map((volume) => volume.name));
  return `restricted volume types (${plural('volume', bad.length > 1)} ${names} uses restricted volume ${plural('type', types.length > 1)} ${quoted(types)})`;
};

const runAsNonRoot: Check = ({ spec }) => {
  const pod = spec.securityContext?.runAsNonRoot;
  const explicit = those(spec, (container) => container.securityContext?.runAsNonRoot === false);
  if (explicit) return `runAsNonRoot != true (${explicit} must not set securityContext.runAsNonRoot=false)`;
  if (pod === true) return undefined;
  const who = those(spec, (container) => container.securityContext?.runAsNonRoot !== true);
  if (pod === false) return 'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)';
  return who && `runAsNonRoot != true (pod or ${who} must set securityContext.runAsNonRoot=true)`;
};

const runAsUser: Check = ({ spec }) => {
  const pod = spec.securityContext?.runAsUser === 0;
  const who = those(spec, (container) => container.securityContext?.runAsUser === 0);
  if (!pod && !who) return undefined;
  return `runAsUser=0 (${[...(pod ? ['pod'] : []), ...(who ? [who] : [])].join(' and ')} must not set runAsUser=0)`;
};

const seccompRestricted: Check = ({ spec }) => {
  const good = (type: string | undefined) => type === 'RuntimeDefault' || type === 'Localhost';
  const pod = good(spec.securityContext?.seccompProfile?.type);
  const who = those(spec, (container) => {
    const type = container.securityContext?.seccompProfile?.type;
    return type === undefined ? !pod : !good(type);
  });
  return (
    who &&
    `seccompProfile (pod or ${who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`
  );
};

const RESTRICTED: readonly Check[] = [
  restrictedVolumes,
  allowPrivilegeEscalation,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
  capabilitiesRestricted,
];
