#include "procfs.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "defence.h"
#include "kernel.h"

#define PROC "/proc/"

/*
 * What a setting or a label is written to must not be a file that a mount over /proc or a link in it makes of it: the
 * process would run without, and the write do harm elsewhere.
 */
int procfs_write(const char *path, const char *value)
{
	struct statfs about;
	if (!defended("procfs-checked"))
		return write_file(path, value);
	int proc = strncmp(path, PROC, strlen(PROC)) ? -1 : open(PROC, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || fstatfs(proc, &about) || about.f_type != PROC_SUPER_MAGIC) {
		if (proc >= 0)
			close(proc);
		errno = EXDEV;
		return -1;
	}
	int fd = openat2_(proc, path + strlen(PROC), O_WRONLY | O_CLOEXEC,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	ssize_t length = (ssize_t)strlen(value), written = fd < 0 ? -1 : write(fd, value, (size_t)length);
	int error = errno;
	close(proc);
	if (fd >= 0)
		close(fd);
	errno = error;
	return written == length ? 0 : -1;
}
