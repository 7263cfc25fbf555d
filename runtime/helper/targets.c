#include "targets.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "defence.h"
#include "kernel.h"

#define PROC_ROOT_INODE 1

int open_inside(int root, const char *path, uint64_t flags)
{
	uint64_t resolve = (defended("in-root") ? RESOLVE_IN_ROOT : 0) | (defended("magic-links") ? RESOLVE_NO_MAGICLINKS : 0);
	while (*path == '/')
		path++;
	int fd;
	int tries = 16;
	do /* EAGAIN: a rename elsewhere raced with the lookup */
		fd = openat2_(root, *path ? path : ".", flags | O_CLOEXEC, resolve);
	while (fd < 0 && errno == EAGAIN && --tries > 0);
	return fd;
}

/* Makes `path`'s missing parents, each resolved inside the root before the next is made in it. */
static int make_parents(int root, char *path)
{
	int made = 0;
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash == path)
			continue;
		*slash = 0;
		int fd = open_inside(root, path, O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT) {
			char *name = strrchr(path, '/');
			int parent = -1;
			if (name) {
				*name = 0;
				parent = open_inside(root, path, O_PATH | O_DIRECTORY);
				*name = '/';
			} else {
				parent = open_inside(root, ".", O_PATH | O_DIRECTORY);
			}
			if (parent < 0 || (mkdirat(parent, name ? name + 1 : path, 0755) && errno != EEXIST))
				made = -1;
			if (parent >= 0)
				close(parent);
		} else if (fd < 0) {
			made = -1;
		}
		if (fd >= 0)
			close(fd);
		*slash = '/';
		if (made)
			return -1;
	}
	return 0;
}

int resolve_target(int root, const char *path, enum target_kind kind, struct failure *failure)
{
	int fd = open_inside(root, path, O_PATH);
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : fail(failure, "resolve mount target", path);
	char copy[PATH_MAX];
	while (*path == '/')
		path++;
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	if (length == 0 || length >= sizeof copy)
		return fail_with(failure, ENAMETOOLONG, "resolve mount target", path);
	memcpy(copy, path, length);
	copy[length] = 0;
	if (make_parents(root, copy))
		return fail(failure, "make mount target", path);
	char *name = strrchr(copy, '/');
	int parent;
	if (name) {
		*name++ = 0;
		parent = open_inside(root, copy, O_PATH | O_DIRECTORY);
	} else {
		name = copy;
		parent = open_inside(root, ".", O_PATH | O_DIRECTORY);
	}
	if (parent < 0)
		return fail(failure, "make mount target", path);
	if (kind == TARGET_DIRECTORY) {
		if (mkdirat(parent, name, 0755) && errno != EEXIST)
			fd = -1;
		else
			fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	} else {
		int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (made >= 0)
			close(made);
		fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		fail(failure, "make mount target", path);
	close(parent);
	return fd;
}

/* /proc behind a link would make every mask miss. */
int resolve_strictly(int root, const char *path, enum target_kind kind, struct failure *failure)
{
	int fd = resolve_target(root, path, kind, failure);
	if (fd < 0)
		return -1;
	close(fd);
	while (*path == '/')
		path++;
	fd = openat2_(root, path, O_PATH | O_CLOEXEC | (kind == TARGET_DIRECTORY ? O_DIRECTORY : 0),
		      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return fd < 0 ? fail(failure, "resolve mount target", path) : fd;
}

static bool is_procfs(int fd)
{
	struct statfs about;
	return fstatfs(fd, &about) == 0 && about.f_type == PROC_SUPER_MAGIC;
}

bool may_cover(int root, int onto, int mount, bool in_proc)
{
	struct stat top, target, source;
	if (fstat(root, &top) || fstat(onto, &target) || fstat(mount, &source))
		return false;
	/* What lies over the root is seen by those who enter later only: two roots in one container. */
	if (top.st_dev == target.st_dev && top.st_ino == target.st_ino)
		return false;
	if (in_proc || !is_procfs(onto) || !defended("procfs-targets"))
		return true;
	return is_procfs(mount) && source.st_ino == PROC_ROOT_INODE && target.st_ino == PROC_ROOT_INODE;
}
