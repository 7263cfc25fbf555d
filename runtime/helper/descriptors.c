#include "descriptors.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

ssize_t descriptors_send(int socket, const int *fds, size_t count, const void *data, size_t length, int flags)
{
	union control control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
	control.header.cmsg_len = CMSG_LEN(count * sizeof *fds);
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
	return sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

ssize_t descriptors_receive(int socket, int *fds, size_t count, void *data, size_t size, int flags)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int came[DESCRIPTORS_MAX];
	message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
	memset(fds, -1, count * sizeof *fds);
	ssize_t got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return got;
	size_t there = (header->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
	memcpy(came, CMSG_DATA(header), there * sizeof *fds);
	if (there == count)
		memcpy(fds, came, sizeof *fds * count);
	for (size_t i = 0; there != count && i < there; i++)
		close(came[i]);
	return got;
}
