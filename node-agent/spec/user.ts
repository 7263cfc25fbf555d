import type { Container, PodSpec } from '#api/objects.ts';
import { ConfigFault } from './fault.ts';

/** The image's own account files, as text; empty when the image has none. */
export interface AccountFiles {
  passwd: string;
  group: string;
}

export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  /** Home directory of the user in the image, for $HOME; `/` when unknown. */
  home: string;
}

interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/**
 * Who a container runs as: the image's USER (`user`, `uid`, `user:group`, ...) overridden by the security context; groups
 * of the user in the image, supplementalGroups and fsGroup are added. Throws ConfigFault where runAsNonRoot forbids it or
 * the user is unknown. Source: Kubernetes API, SecurityContext; OCI image-spec, config.User.
 */
export function resolveUser(
  imageUser: string,
  accounts: AccountFiles,
  pod: { name: string; namespace: string; uid: string; spec: PodSpec },
  container: Container,
): ResolvedUser {
  const own = container.securityContext;
  const shared = pod.spec.securityContext;
  const runAsUser = own?.runAsUser ?? shared?.runAsUser;
  const runAsGroup = own?.runAsGroup ?? shared?.runAsGroup;
  const users = parsePasswd(accounts.passwd);
  const [userText = '', groupText] = imageUser.split(':');
  if (own?.runAsNonRoot ?? shared?.runAsNonRoot) {
    forbidRoot(
      runAsUser,
      userText,
      `(pod: "${pod.name}_${pod.namespace}(${pod.uid})", container: ${container.name})`,
    );
  }
  const wanted = runAsUser === undefined ? userText : String(runAsUser);
  const account = users.find((user) =>
    isNumber(wanted) ? user.uid === Number(wanted) : user.name === wanted,
  );
  if (wanted !== '' && !isNumber(wanted) && !account) {
    throw new ConfigFault(
      `unable to find user ${wanted}: no matching entries in passwd file`,
      'CreateContainerError',
    );
  }
  const uid = account?.uid ?? (wanted === '' ? 0 : Number(wanted));
  const known = account ?? users.find((user) => user.uid === uid);
  const gid =
    runAsGroup ??
    (runAsUser === undefined ? groupId(groupText, accounts.group) : undefined) ??
    known?.gid ??
    0;
  const groups = new Set<number>(known ? memberships(known.name, accounts.group) : []);
  if (shared?.supplementalGroupsPolicy === 'Strict') groups.clear();
  for (const group of shared?.supplementalGroups ?? []) groups.add(group);
  if (shared?.fsGroup !== undefined) groups.add(shared.fsGroup);
  groups.delete(gid);
  return { uid, gid, additionalGids: [...groups], home: known?.home || (uid === 0 ? '/root' : '/') };
}

function forbidRoot(runAsUser: number | undefined, imageUser: string, who: string): void {
  if (runAsUser !== undefined) {
    if (runAsUser === 0) throw new ConfigFault(`container's runAsUser breaks non-root policy ${who}`);
    return;
  }
  // Also 00.
  if (Number(imageUser) === 0) {
    throw new ConfigFault(`container has runAsNonRoot and image will run as root ${who}`);
  }
  if (!isNumber(imageUser)) {
    throw new ConfigFault(
      `container has runAsNonRoot and image has non-numeric user (${imageUser}), cannot verify user is non-root ${who}`,
    );
  }
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

function parsePasswd(text: string): Account[] {
  return lines(text, 6).map(([name, , uid, gid, , home]) => ({
    name: name!,
    uid: Number(uid),
    gid: Number(gid),
    home: home!,
  }));
}

function groupId(wanted: string | undefined, group: string): number | undefined {
  if (wanted === undefined || wanted === '') return undefined;
  const entry = lines(group, 3).find(([name]) => name === wanted);
  if (entry) return Number(entry[2]);
  if (isNumber(wanted)) return Number(wanted);
  throw new ConfigFault(
    `unable to find group ${wanted}: no matching entries in group file`,
    'CreateContainerError',
  );
}

function memberships(user: string, group: string): number[] {
  return lines(group, 4)
    .filter(([, , , members]) => members!.split(',').includes(user))
    .map(([, , gid]) => Number(gid));
}

/** Lines with at least `fields` fields whose third is a number, as passwd(5) and group(5) have it. */
function lines(text: string, fields: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((parts) => parts.length >= fields && isNumber(parts[2]!));
}
