#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container.h"

static int write_synced(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	size_t length = strlen(text);
	int result = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0 ? 0 : -1;
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* What the record means nothing without: the other records of the pod, and the directories that name them. */
static int sync_others(const struct container *container)
{
	char path[PATH_MAX];
	struct tlv item;
	size_t offset = 0;
	int result = 0;
	while (tlv_next(container->spec, container->spec_length, &offset, &item) == 1) {
		if (item.tag != TAG_SYNC || tlv_copy(&item, path, sizeof path))
			continue;
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		/* One that has not been written yet, or no longer is, needs nothing. */
		if (fd < 0 ? errno != ENOENT : fsync(fd))
			result = -1;
		if (fd >= 0)
			close(fd);
	}
	return result;
}

void record_exit(const struct container *container)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8], text[256];
	if (tlv_text(container->spec, container->spec_length, TAG_RECORD, path, sizeof path))
		return;
	snprintf(temporary, sizeof temporary, "%s.new", path);
	snprintf(text, sizeof text, "{\"version\":1,\"code\":%d,\"signal\":%d,\"reason\":\"%s\",\"finishedAtMs\":%llu}\n",
		 container->code, container->signal, container->reason, (unsigned long long)container->finished_ms);
	if (write_synced(temporary, text) || rename(temporary, path) || sync_others(container)) {
		fprintf(stderr, "monitor: exit of %s not recorded: %s: %s\n", container->id, path, strerror(errno));
		unlink(temporary);
	}
}
