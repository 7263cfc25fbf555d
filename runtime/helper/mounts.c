#include "mounts.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "defence.h"
#include "detached.h"
#include "kernel.h"
#include "targets.h"

/* TAG_FLAGS of a container. */
#define FLAG_READ_ONLY_ROOT 1

int mounts_attach(int root, const struct tlv *mount, struct failure *failure)
{
	char target[PATH_MAX];
	if (tlv_text(mount->value, mount->length, TAG_TARGET, target, sizeof target))
		return fail(failure, "mount target", NULL);
	int fd = detached_mount(mount, failure);
	if (fd < 0)
		return -1;
	struct stat about;
	uint64_t flags = tlv_number(mount->value, mount->length, TAG_FLAGS, 0);
	bool strict = (flags & FLAG_NO_SYMLINKS) && defended("real-standard-mounts");
	int onto = -1, result = -1;
	if (fstat(fd, &about))
		fail(failure, "mount", target);
	else
		onto = (strict ? resolve_strictly : resolve_target)(
			root, target, S_ISDIR(about.st_mode) ? TARGET_DIRECTORY : TARGET_FILE, failure);
	if (onto >= 0 && !may_cover(root, onto, fd, flags & FLAG_IN_PROC))
		fail_with(failure, EPERM, "mount target", target);
	else if (onto >= 0)
		result = move_mount_(fd, onto) ? fail(failure, "mount", target) : 0;
	if (onto >= 0)
		close(onto);
	close(fd);
	return result;
}

/*
 * A device node that works although its file system is nodev: the node gets a mount of its own, without nodev. So a
 * container that makes nodes itself (CAP_MKNOD) can open none of them, with any version of cgroups.
 */
static int make_device(int root, const struct tlv *device, struct failure *failure)
{
	char path[PATH_MAX];
	if (tlv_text(device->value, device->length, TAG_TARGET, path, sizeof path))
		return fail(failure, "device path", NULL);
	mode_t mode = (mode_t)tlv_number(device->value, device->length, TAG_MODE, 0666);
	uint64_t number = tlv_number(device->value, device->length, TAG_VALUE, 0);
	char *name = strrchr(path, '/');
	if (!name)
		return fail_with(failure, EINVAL, "device path", path);
	*name++ = 0;
	int parent = open_inside(root, path, O_PATH | O_DIRECTORY);
	if (parent < 0)
		return fail(failure, "device path", path);
	dev_t id = makedev((unsigned)(number >> 32), (unsigned)number);
	int node = -1, onto = -1, result = -1;
	struct mount_attr attributes = { .attr_clr = MOUNT_ATTR_NODEV };
	if (mknodat(parent, name, S_IFCHR | mode, id) || fchmodat(parent, name, mode, 0))
		fail(failure, "make device", name);
	else if ((node = open_tree_(parent, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW)) < 0 ||
		 mount_setattr_(node, AT_EMPTY_PATH, &attributes) ||
		 (onto = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0 || move_mount_(node, onto))
		fail(failure, "mount device", name);
	else
		result = 0;
	if (node >= 0)
		close(node);
	if (onto >= 0)
		close(onto);
	close(parent);
	return result;
}

static int make_symlink(int root, const struct tlv *link, struct failure *failure)
{
	char path[PATH_MAX], to[PATH_MAX];
	if (tlv_text(link->value, link->length, TAG_TARGET, path, sizeof path) ||
	    tlv_text(link->value, link->length, TAG_SOURCE, to, sizeof to))
		return fail(failure, "symlink", NULL);
	char *name = strrchr(path, '/');
	if (!name)
		return fail_with(failure, EINVAL, "symlink", path);
	*name++ = 0;
	int parent = open_inside(root, path, O_PATH | O_DIRECTORY);
	if (parent < 0)
		return fail(failure, "symlink", path);
	int made = symlinkat(to, parent, name);
	if (made && errno != EEXIST)
		fail(failure, "symlink", name);
	else
		made = 0;
	close(parent);
	return made;
}

/* Hides a directory under an empty read-only tmpfs, a file under a device that reads as empty. */
static int mask(int root, const char *path, int null, int *empty, struct failure *failure)
{
	int onto = open_inside(root, path, O_PATH);
	if (onto < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail(failure, "mask", path);
	struct stat about;
	int cover = -1, result = -1;
	if (fstat(onto, &about)) {
		fail(failure, "mask", path);
	} else if (S_ISDIR(about.st_mode)) {
		/* The first one is the mount itself, all others are copies: what is nowhere yet cannot be copied before Linux 6.15. */
		if (*empty >= 0) {
			cover = open_tree_(*empty, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		} else {
			struct tlv nothing = { 0 };
			cover = *empty = detached_filesystem(&nothing, "tmpfs",
							     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
							     failure);
		}
	} else {
		/* Read-only, or a chmod of the masked file would change the node's /dev/null. */
		struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
		cover = open_tree_(null, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (cover >= 0 && mount_setattr_(cover, AT_EMPTY_PATH, &attributes)) {
			close(cover);
			cover = -1;
		}
	}
	if (cover >= 0 && move_mount_(cover, onto) == 0)
		result = 0;
	else if (!failure->error)
		fail(failure, "mask", path);
	if (cover >= 0 && cover != *empty)
		close(cover);
	close(onto);
	return result;
}

static int make_read_only(int root, const char *path, struct failure *failure)
{
	int onto = open_inside(root, path, O_PATH);
	if (onto < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail(failure, "read-only path", path);
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
	int copy = open_tree_(onto, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int result = copy < 0 || mount_setattr_(copy, AT_EMPTY_PATH | AT_RECURSIVE, &attributes) || move_mount_(copy, onto);
	if (result)
		fail(failure, "read-only path", path);
	if (copy >= 0)
		close(copy);
	close(onto);
	return result ? -1 : 0;
}

/* The node's /dev/null, checked: a mask must be what it claims to be. */
static int open_null(int root, struct failure *failure)
{
	struct stat about;
	if (!defended("node-null"))
		return open_inside(root, "/dev/null", O_PATH);
	int null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (null < 0 || fstat(null, &about) || !S_ISCHR(about.st_mode) || about.st_rdev != makedev(1, 3)) {
		fail(failure, "open /dev/null", NULL);
		if (null >= 0)
			close(null);
		return -1;
	}
	return null;
}

static int hide(int root, const uint8_t *container, size_t length, struct failure *failure)
{
	char path[PATH_MAX];
	struct tlv item;
	size_t offset = 0;
	int null = open_null(root, failure), empty = -1, result = null < 0 ? -1 : 0;
	while (result == 0 && tlv_next(container, length, &offset, &item) == 1) {
		if (item.tag != TAG_MASKED && item.tag != TAG_READ_ONLY)
			continue;
		if (tlv_copy(&item, path, sizeof path))
			result = fail(failure, "mask", NULL);
		else if (item.tag == TAG_MASKED)
			result = mask(root, path, null, &empty, failure);
		else
			result = make_read_only(root, path, failure);
	}
	if (empty >= 0)
		close(empty);
	if (null >= 0)
		close(null);
	return result;
}

/* Kernels before 6.5 take overlay's layers only as one long string, and only through mount(2). */
static int legacy_overlay(const struct tlv *overlay, const char *anchor, struct failure *failure)
{
	static char data[1 << 16], option[1 << 16];
	struct tlv item;
	size_t offset = 0, used = 0;
	while (tlv_next(overlay->value, overlay->length, &offset, &item) == 1) {
		if (item.tag != TAG_OPTION)
			continue;
		if (tlv_copy(&item, option, sizeof option) || used + item.length + 2 > sizeof data)
			return fail_with(failure, E2BIG, "overlay options", NULL);
		used += (size_t)snprintf(data + used, sizeof data - used, "%s%s", used ? "," : "", option);
	}
	if (mount("overlay", anchor, "overlay", 0, data))
		return fail(failure, "mount", "overlay");
	int fd = open_tree_(AT_FDCWD, anchor, OPEN_TREE_CLOEXEC);
	struct mount_attr attributes = { .attr_set = tlv_number(overlay->value, overlay->length, TAG_FLAGS, 0) & 0xffffffff };
	if (fd >= 0 && mount_setattr_(fd, AT_EMPTY_PATH, &attributes) == 0)
		return fd;
	fail(failure, "open root", anchor);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Mounts that only the root mount is made of; they go with the old root. */
static int mount_layers(const uint8_t *container, size_t length, struct failure *failure)
{
	struct tlv item;
	size_t offset = 0;
	int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = top < 0 ? fail(failure, "open root", NULL) : 0;
	while (result == 0 && tlv_next(container, length, &offset, &item) == 1)
		if (item.tag == TAG_LAYER)
			result = mounts_attach(top, &item, failure);
	if (top >= 0)
		close(top);
	return result;
}

static int build_root(const uint8_t *container, size_t length, struct failure *failure)
{
	char anchor[PATH_MAX];
	struct tlv root;
	if (!tlv_find(container, length, TAG_ROOT, &root) || tlv_text(container, length, TAG_PATH, anchor, sizeof anchor))
		return fail_with(failure, EINVAL, "root mount", "not given");
	if (mount_layers(container, length, failure))
		return -1;
	int onto = open(anchor, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (onto < 0)
		return fail(failure, "open mount anchor", anchor);
	bool legacy = tlv_number(root.value, root.length, TAG_FLAGS, 0) & FLAG_ONE_STRING;
	int fd = legacy ? legacy_overlay(&root, anchor, failure) : detached_mount(&root, failure);
	if (!legacy && fd >= 0 && move_mount_(fd, onto)) {
		fail(failure, "mount root", anchor);
		close(fd);
		fd = -1;
	}
	close(onto);
	return fd;
}

static int seal_root(int root, const uint8_t *container, size_t length, struct failure *failure)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
	if (!(tlv_number(container, length, TAG_FLAGS, 0) & FLAG_READ_ONLY_ROOT))
		return 0;
	return mount_setattr_(root, AT_EMPTY_PATH, &attributes) ? fail(failure, "read-only root", NULL) : 0;
}

int mounts_build(const uint8_t *container, size_t length, struct failure *failure)
{
	/* Nothing we mount may reach the node; what the node mounts later may reach us (HostToContainer). */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return fail(failure, "make mounts private", NULL);
	int root = build_root(container, length, failure);
	if (root < 0)
		return -1;
	struct tlv item;
	size_t offset = 0;
	int result = 0;
	while (result == 0 && tlv_next(container, length, &offset, &item) == 1) {
		if (item.tag == TAG_MOUNT)
			result = mounts_attach(root, &item, failure);
		else if (item.tag == TAG_DEVICE)
			result = make_device(root, &item, failure);
		else if (item.tag == TAG_SYMLINK)
			result = make_symlink(root, &item, failure);
	}
	if (result == 0)
		result = hide(root, container, length, failure);
	if (result == 0)
		result = seal_root(root, container, length, failure);
	if (result == 0)
		return root;
	close(root);
	return -1;
}

int mounts_enter(int root, struct failure *failure)
{
	if (fchdir(root) || pivot_root_(".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return fail(failure, "pivot root", NULL);
	return 0;
}
