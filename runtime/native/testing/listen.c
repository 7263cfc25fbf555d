/*
 * listen SOCKET: a seccomp listener. Prints what comes with each filter's descriptor, and `<system call> <pid>` of each call
 * that is passed on; lets mkdir fail with EROFS and everything else go on.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FILTERS 64

static void take(int listener, struct pollfd *filter)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char text[65536];
	struct iovec data = { .iov_base = text, .iov_len = sizeof text };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int connection = accept(listener, NULL, NULL);
	ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	if (got <= 0 || control.header.cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&filter->fd, CMSG_DATA(&control.header), sizeof filter->fd);
	filter->events = POLLIN;
	printf("%.*s\n", (int)got, text);
	close(connection);
}

static void answer(struct pollfd *filter)
{
	struct seccomp_notif call = { 0 };
	if (!(filter->revents & POLLIN)) {
		/* All who had this filter have gone. Older kernels would wait for a call of theirs for ever. */
		if (filter->revents & POLLHUP)
			filter->fd = -1;
		return;
	}
	if (ioctl(filter->fd, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return;
	struct seccomp_notif_resp response = { .id = call.id };
	if (call.data.nr == SYS_mkdir)
		response.error = -EROFS;
	else
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	printf("%d %u\n", call.data.nr, call.pid);
	ioctl(filter->fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd watched[FILTERS + 1];
	int count = 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2)
		return 2;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
	watched[0] = (struct pollfd){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN };
	if (bind(watched[0].fd, (struct sockaddr *)&address, sizeof address) || listen(watched[0].fd, 16))
		return 1;
	puts("ready");
	while (poll(watched, (nfds_t)count, -1) > 0) {
		for (int i = 1; i < count; i++)
			if (watched[i].fd >= 0 && watched[i].revents)
				answer(&watched[i]);
		if (watched[0].revents && count <= FILTERS) {
			watched[count] = (struct pollfd){ .fd = -1 };
			take(watched[0].fd, &watched[count++]);
		}
	}
	return 1;
}
