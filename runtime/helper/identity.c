#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"
#include "defence.h"
#include "listener.h"
#include "procfs.h"

#define GROUPS_LIMIT 1024
#define FILTER_LIMIT 4096
/* The kernel says where its capabilities end; this only bounds the loop. */
#define LAST_CAPABILITY 63
/* KEY_POS_ALL of the kernel: nothing for its owner, group and others. */
#define KEYRING_POSSESSOR_ALL 0x3f000000

static int set_rlimits(const uint8_t *container, size_t length, struct failure *failure)
{
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(container, length, &offset, &item) == 1) {
		if (item.tag != TAG_RLIMIT)
			continue;
		/* u64 resource, soft, hard. */
		uint64_t values[3];
		if (item.length != sizeof values)
			return fail_with(failure, EINVAL, "set resource limit", "malformed");
		memcpy(values, item.value, sizeof values);
		struct rlimit limit = { .rlim_cur = values[1], .rlim_max = values[2] };
		char name[24];
		snprintf(name, sizeof name, "RLIMIT %u", (unsigned)values[0]);
		if (setrlimit((int)values[0], &limit))
			return fail(failure, "set resource limit", name);
	}
	return 0;
}

int identity_limits(const uint8_t *container, size_t length, struct failure *failure)
{
	char score[16];
	snprintf(score, sizeof score, "%d", (int)(int64_t)tlv_number(container, length, TAG_OOM_SCORE, 0));
	if (procfs_write("/proc/self/oom_score_adj", score))
		return fail(failure, "set oom_score_adj", score);
	return set_rlimits(container, length, failure);
}

uint64_t identity_number(const struct identity *who, uint16_t tag)
{
	return tlv_number(who->exec, who->exec_length, tag, tlv_number(who->container, who->container_length, tag, 0));
}

/* An exec that names its user has that user's groups, and none of the container's. */
static int set_groups(const struct identity *who, struct failure *failure)
{
	struct tlv own;
	bool of_exec = tlv_find(who->exec, who->exec_length, TAG_UID, &own);
	const uint8_t *source = of_exec ? who->exec : who->container;
	size_t length = of_exec ? who->exec_length : who->container_length;
	gid_t groups[GROUPS_LIMIT];
	size_t count = 0, offset = 0;
	struct tlv item;
	while (tlv_next(source, length, &offset, &item) == 1) {
		if (item.tag != TAG_GROUP)
			continue;
		if (count == GROUPS_LIMIT)
			return fail_with(failure, E2BIG, "set groups", NULL);
		groups[count++] = (gid_t)tlv_value(&item);
	}
	return setgroups(count, groups) ? fail(failure, "set groups", NULL) : 0;
}

static int drop_bounding(uint64_t keep, struct failure *failure)
{
	for (int capability = 0; capability <= LAST_CAPABILITY; capability++) {
		if (keep >> capability & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)) {
			if (errno == EINVAL)
				return 0; /* beyond the last one this kernel knows */
			return fail(failure, "drop capabilities", NULL);
		}
	}
	return 0;
}

/* With nothing inheritable, running a file whose own inheritable capabilities say so gives a user none. */
static int set_capabilities(uint64_t permitted, uint64_t inheritable, struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	for (int word = 0; word < 2; word++) {
		data[word].permitted = (uint32_t)(permitted >> (32 * word));
		data[word].effective = data[word].permitted;
		data[word].inheritable = (uint32_t)(inheritable >> (32 * word));
	}
	return syscall(SYS_capset, &header, data) ? fail(failure, "set capabilities", NULL) : 0;
}

static int get_permitted(uint64_t *permitted, struct failure *failure)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data))
		return fail(failure, "get capabilities", NULL);
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

int identity_act_as(uid_t id, struct failure *failure)
{
	uint64_t held;
	setfsgid(id);
	setfsuid(id);
	/* That took the capabilities over files away. */
	return get_permitted(&held, failure) ? -1 : set_capabilities(held, held, failure);
}

static int install_filter(const struct identity *who, struct failure *failure)
{
	static struct sock_filter program[FILTER_LIMIT];
	struct tlv filter;
	if (!tlv_find(who->container, who->container_length, TAG_SECCOMP, &filter))
		return 0;
	if (filter.length == 0 || filter.length % sizeof *program || filter.length > sizeof program)
		return fail_with(failure, EINVAL, "install seccomp filter", "malformed");
	memcpy(program, filter.value, filter.length);
	struct sock_fprog whole = { .len = (unsigned short)(filter.length / sizeof *program), .filter = program };
	unsigned listener = listener_connected() ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	unsigned flags = listener | (unsigned)identity_number(who, TAG_SECCOMP_FLAGS);
	int descriptor = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole);
	if (descriptor < 0)
		return fail(failure, "install seccomp filter", NULL);
	return listener ? listener_hand_over(who->container, who->container_length, descriptor, who->first, failure) : 0;
}

/*
 * A session keyring of its own, which only who possesses it may use. Made while still root, whose quota of keys is not the
 * 200 of other users. Where there are no keys, or no room for one, it keeps the helper's, which is empty.
 */
static int new_keyring(struct failure *failure)
{
	long keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (keyring < 0)
		return errno == ENOSYS || errno == EDQUOT ? 0 : fail(failure, "new session keyring", NULL);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, KEYRING_POSSESSOR_ALL))
		return fail(failure, "new session keyring", "permissions");
	return 0;
}

int identity_assume(const struct identity *who, struct failure *failure)
{
	uint64_t wanted = defended("own-capabilities") ? identity_number(who, TAG_CAPABILITIES) : ~(uint64_t)0, held = 0;
	bool no_new_privileges = identity_number(who, TAG_NO_NEW_PRIVILEGES);
	uid_t uid = (uid_t)identity_number(who, TAG_UID);
	gid_t gid = (gid_t)identity_number(who, TAG_GID);
	if (drop_bounding(wanted, failure) || new_keyring(failure) || set_groups(who, failure))
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return fail(failure, "set user", NULL);
	if (get_permitted(&held, failure))
		return -1;
	/* Before the capabilities go: without no_new_privs a filter needs CAP_SYS_ADMIN. */
	if (!no_new_privileges && (set_capabilities(held, 0, failure) || install_filter(who, failure)))
		return -1;
	/* What the node itself does not hold it cannot give. */
	if (set_capabilities(wanted & held, defended("empty-inheritable") ? 0 : wanted & held, failure))
		return -1;
	if (no_new_privileges) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
			return fail(failure, "set no_new_privs", NULL);
		return install_filter(who, failure);
	}
	return 0;
}
