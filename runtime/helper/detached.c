#include "detached.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "handover.h"
#include "kernel.h"

static int node_mounts = -1, user_namespace = -1, given_proc = -1;

void detached_use(int user, int proc)
{
	user_namespace = user;
	given_proc = proc;
}

int detached_init(struct failure *failure)
{
	node_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return node_mounts < 0 ? fail(failure, "open own mount namespace", NULL) : 0;
}

static int set_option(int fs, char *option)
{
	char *value = strchr(option, '=');
	if (!value)
		return fsconfig_(fs, FSCONFIG_SET_FLAG, option, NULL);
	*value++ = 0;
	if (strcmp(option, "lowerdir") != 0)
		return fsconfig_(fs, FSCONFIG_SET_STRING, option, value);
	/* One by one: together they are longer than fsconfig takes. */
	for (char *layer = value; layer;) {
		char *next = strchr(layer, ':');
		if (next)
			*next++ = 0;
		if (fsconfig_(fs, FSCONFIG_SET_STRING, "lowerdir+", layer))
			return -1;
		layer = next;
	}
	return 0;
}

/* What the file system itself says about the last error. */
static void add_reason(int fs, struct failure *failure)
{
	char text[160];
	ssize_t length = read(fs, text, sizeof text - 1);
	if (length <= 2)
		return;
	text[length] = 0;
	size_t used = strlen(failure->detail);
	snprintf(failure->detail + used, sizeof failure->detail - used, " (%s)", text + 2);
}

int detached_filesystem(const struct tlv *mount, const char *type, unsigned attributes, struct failure *failure)
{
	/* Static: 64 KiB of options on the stack of a small process, used once, after the fork. */
	static char option[1 << 16];
	int fs = fsopen_(type);
	if (fs < 0)
		return fail(failure, "fsopen", type);
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(mount->value, mount->length, &offset, &item) == 1) {
		if (item.tag != TAG_OPTION && item.tag != TAG_SOURCE)
			continue;
		int set = tlv_copy(&item, option, sizeof option);
		if (set == 0 && item.tag == TAG_OPTION)
			set = set_option(fs, option);
		else if (set == 0 && *option)
			set = fsconfig_(fs, FSCONFIG_SET_STRING, "source", option);
		if (set) {
			fail(failure, "mount option", option);
			add_reason(fs, failure);
			close(fs);
			return -1;
		}
	}
	int made = fsconfig_(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	int fd = made ? -1 : fsmount_(fs, attributes);
	if (fd < 0) {
		fail(failure, "mount", type);
		add_reason(fs, failure);
	}
	close(fs);
	return fd;
}

void detached_hand_over(struct writer *w) { put_descriptor(w, HANDOVER_NODE_MOUNTS, node_mounts); }

void detached_take_over(const uint8_t *state, size_t length)
{
	if (node_mounts >= 0)
		close(node_mounts);
	/* One that an older monitor has not kept is missed when a mount needs it: another would silently not do. */
	node_mounts = take_descriptor(state, length, HANDOVER_NODE_MOUNTS);
}

/* Taken in the node's own mount namespace: only a copy of its mounts, not of ours, gives back what is mounted in it. */
static int clone_shared(const char *source, unsigned recursive, bool real)
{
	int here = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (here < 0 || setns(node_mounts, CLONE_NEWNS))
		return -1;
	int fd = clone_tree(source, recursive, real);
	int error = errno;
	if (setns(here, CLONE_NEWNS))
		return -1;
	close(here);
	errno = error;
	return fd;
}

static int set_attributes(int fd, uint64_t flags, uint64_t propagation)
{
	unsigned recursive = flags & FLAG_RECURSIVE ? AT_RECURSIVE : 0;
	bool top_only = recursive && (flags & MOUNT_ATTR_RDONLY) && !(flags & FLAG_READ_ONLY_BELOW);
	struct mount_attr all = {
		.attr_set = (unsigned)(top_only ? flags & ~(uint64_t)MOUNT_ATTR_RDONLY : flags),
		.propagation = propagation,
	};
	all.attr_set &= ~(uint64_t)MOUNT_ATTR_IDMAP;
	struct mount_attr top = { .attr_set = MOUNT_ATTR_RDONLY };
	if (mount_setattr_(fd, AT_EMPTY_PATH | recursive, &all))
		return -1;
	return top_only ? mount_setattr_(fd, AT_EMPTY_PATH, &top) : 0;
}

/* Shows what is on the disk as root's as that of the pod's root, and so on; what is nobody's in the pod stays nobody's. */
static int map_owners(int fd, uint64_t flags)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace };
	return mount_setattr_(fd, AT_EMPTY_PATH | (flags & FLAG_RECURSIVE ? AT_RECURSIVE : 0), &attributes);
}

static int bind_mount(const struct tlv *mount, uint64_t flags, struct failure *failure)
{
	char source[PATH_MAX];
	if (tlv_text(mount->value, mount->length, TAG_SOURCE, source, sizeof source))
		return fail(failure, "bind mount source", NULL);
	unsigned recursive = flags & FLAG_RECURSIVE ? AT_RECURSIVE : 0;
	uint64_t propagation = tlv_number(mount->value, mount->length, TAG_PROPAGATION, MS_PRIVATE);
	int fd = (propagation == MS_SHARED ? clone_shared : clone_tree)(source, recursive, flags & FLAG_REAL_SOURCE);
	if (fd < 0)
		return fail(failure, "bind mount source", source);
	bool foreign = (flags & MOUNT_ATTR_IDMAP) && map_owners(fd, flags);
	if (foreign || set_attributes(fd, flags, propagation)) {
		fail(failure, foreign ? "idmap mount" : "bind mount attributes", source);
		close(fd);
		return -1;
	}
	return fd;
}

int detached_mount(const struct tlv *mount, struct failure *failure)
{
	char type[32];
	if (tlv_text(mount->value, mount->length, TAG_TYPE, type, sizeof type))
		return fail(failure, "mount type", NULL);
	uint64_t flags = tlv_number(mount->value, mount->length, TAG_FLAGS, 0);
	if (given_proc >= 0 && strcmp(type, "proc") == 0)
		return given_proc;
	if (strcmp(type, "bind") == 0)
		return bind_mount(mount, flags, failure);
	return detached_filesystem(mount, type, (unsigned)flags, failure);
}
