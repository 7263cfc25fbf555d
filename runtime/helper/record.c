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

void record_exit(const struct container *container)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8], text[256];
	if (tlv_text(container->spec, container->spec_length, TAG_RECORD, path, sizeof path))
		return;
	snprintf(temporary, sizeof temporary, "%s.new", path);
	snprintf(text, sizeof text, "{\"version\":1,\"code\":%d,\"signal\":%d,\"reason\":\"%s\",\"finishedAtMs\":%llu}\n",
		 container->code, container->signal, container->reason, (unsigned long long)container->finished_ms);
	if (write_synced(temporary, text) || rename(temporary, path))
		fprintf(stderr, "monitor: exit of %s not recorded: %s: %s\n", container->id, path, strerror(errno));
}
