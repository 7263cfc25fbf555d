#include "procfs.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "defence.h"
#include "kernel.h"

#define PROC "/proc/"
/* The kernel takes no more than a page at once. */
#define VALUE_LIMIT 4096

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

int procfs_write_all(const uint8_t *payload, size_t length, uint16_t tag, const char *step, struct failure *failure)
{
	char path[PATH_MAX], value[VALUE_LIMIT];
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(payload, length, &offset, &item) == 1)
		if (item.tag == tag && (tlv_text(item.value, item.length, TAG_PATH, path, sizeof path) ||
					tlv_text(item.value, item.length, TAG_VALUE, value, sizeof value) ||
					procfs_write(path, value)))
			return fail(failure, step, path);
	return 0;
}
