#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static int bind_here(int fd, const char *name, struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(name) >= sizeof address.sun_path)
		return fail_with(failure, ENAMETOOLONG, "bind socket", name);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
	unlink(name);
	mode_t mask = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (bound || listen(fd, BACKLOG))
		return fail(failure, "bind socket", name);
	return 0;
}

int listen_in(int directory_fd, const char *name, struct failure *failure)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (before < 0)
		return fail(failure, "open working directory", NULL);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || fchdir(directory_fd)) {
		fail(failure, "listen", name);
		if (fd >= 0)
			close(fd);
		close(before);
		return -1;
	}
	int bound = bind_here(fd, name, failure);
	if (fchdir(before))
		bound = fail(failure, "return to working directory", NULL);
	close(before);
	if (bound) {
		close(fd);
		return -1;
	}
	return fd;
}
