/* System calls that glibc 2.36 does not wrap, or whose wrappers need newer headers. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static inline int openat2_(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };
	return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}
static inline int fsopen_(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }
static inline int fsconfig_(int fs, unsigned command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}
static inline int fsmount_(int fs, unsigned attributes)
{
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
}
static inline int open_tree_(int directory, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, directory, path, flags);
}
/* A detached copy of the mounts at `source`; with `real`, a path in which containers may put links is taken only without any. */
static inline int clone_tree(const char *source, unsigned recursive, bool real)
{
	unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive;
	if (!real)
		return open_tree_(AT_FDCWD, source, how);
	int found = openat2_(AT_FDCWD, source, O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	int fd = found < 0 ? -1 : open_tree_(found, "", how | AT_EMPTY_PATH);
	int error = errno;
	if (found >= 0)
		close(found);
	errno = error;
	return fd;
}
static inline int move_mount_(int from, int onto)
{
	return (int)syscall(SYS_move_mount, from, "", onto, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
static inline int mount_setattr_(int mount, unsigned flags, struct mount_attr *attributes)
{
	return (int)syscall(SYS_mount_setattr, mount, "", flags, attributes, sizeof *attributes);
}
static inline int pivot_root_(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}
static inline pid_t clone3_(struct clone_args *arguments)
{
	return (pid_t)syscall(SYS_clone3, arguments, sizeof *arguments);
}
/* As fork, into the new namespaces that `flags` name, with the child's pidfd. */
static inline pid_t fork_watched(uint64_t flags, int *pidfd)
{
	struct clone_args arguments = {
		.flags = CLONE_PIDFD | flags,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	return clone3_(&arguments);
}
