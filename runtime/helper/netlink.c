#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

#define PROTOCOLS 22 /* NETLINK_ROUTE .. NETLINK_SMC */
#define SOCKET_BUFFER (64 << 20)
/* The kernel answers within the send; only a dump interrupted by memory pressure makes us wait. */
#define REPLY_TIMEOUT_MS 5000
#define RECEIVE_CHUNK 65536

static int own_namespace = -1;
static int own_sockets[PROTOCOLS];

int netlink_init(struct failure *failure)
{
	for (int i = 0; i < PROTOCOLS; i++)
		own_sockets[i] = -1;
	own_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return own_namespace < 0 ? fail(failure, "open own network namespace", NULL) : 0;
}

static int open_socket(int protocol, struct failure *failure)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return fail(failure, "netlink socket", NULL);
	int size = SOCKET_BUFFER, on = 1;
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) ||
	    bind(fd, (struct sockaddr *)&address, sizeof address)) {
		fail(failure, "netlink socket options", NULL);
		close(fd);
		return -1;
	}
	return fd;
}

static int open_socket_in(const char *path, int protocol, struct failure *failure)
{
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return fail(failure, "open network namespace", path);
	int entered = setns(namespace, CLONE_NEWNET);
	if (entered)
		fail(failure, "enter network namespace", path);
	close(namespace);
	if (entered)
		return -1;
	int fd = open_socket(protocol, failure);
	/* Going on in a pod's namespace would send the next batch to the wrong kernel: better no helper at all. */
	if (setns(own_namespace, CLONE_NEWNET))
		abort();
	return fd;
}

/* Notes whether a multipart answer has begun and whether it has ended. */
static void scan(const uint8_t *data, size_t length, bool *multipart)
{
	struct nlmsghdr header;
	while (length >= sizeof header) {
		memcpy(&header, data, sizeof header);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > length)
			return;
		if (header.nlmsg_type == NLMSG_DONE)
			*multipart = false;
		else if (header.nlmsg_flags & NLM_F_MULTI)
			*multipart = true;
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		if (step >= length)
			return;
		data += step;
		length -= step;
	}
}

/* A request is worked on within sendmsg, and a dump within each recv: what there is to read is there already. */
static int receive_all(int fd, struct buffer *reply, struct failure *failure)
{
	bool multipart = false;
	for (;;) {
		if (buffer_used(reply) > FRAME_LIMIT - 4096)
			return fail_with(failure, EMSGSIZE, "netlink reply", "the answer is larger than a frame");
		if (buffer_reserve(reply, RECEIVE_CHUNK))
			return fail(failure, "netlink reply", "no memory");
		ssize_t got = recv(fd, reply->data + reply->end, RECEIVE_CHUNK, MSG_DONTWAIT | MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN) {
			if (!multipart)
				return 0;
			struct pollfd wait = { .fd = fd, .events = POLLIN };
			if (poll(&wait, 1, REPLY_TIMEOUT_MS) == 0)
				return fail_with(failure, ETIMEDOUT, "netlink reply", "a dump did not end");
			continue;
		}
		if (got < 0)
			return fail(failure, "netlink reply", NULL);
		if (got > RECEIVE_CHUNK)
			return fail_with(failure, EMSGSIZE, "netlink reply", "a message is larger than 64 KiB");
		scan(reply->data + reply->end, (size_t)got, &multipart);
		reply->end += (size_t)got;
	}
}

static int talk(int fd, const void *request, size_t length, struct buffer *reply, struct failure *failure)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;
	do
		sent = sendto(fd, request, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return fail(failure, "netlink request", NULL);
	return receive_all(fd, reply, failure);
}

int netlink_exchange(const char *path, int protocol, const void *request, size_t length, struct buffer *reply,
		     struct failure *failure)
{
	if (protocol < 0 || protocol >= PROTOCOLS)
		return fail_with(failure, EPROTONOSUPPORT, "netlink socket", "unknown netlink protocol");
	if (path) {
		int fd = open_socket_in(path, protocol, failure);
		if (fd < 0)
			return -1;
		int result = talk(fd, request, length, reply, failure);
		close(fd);
		return result;
	}
	int *kept = &own_sockets[protocol];
	if (*kept < 0 && (*kept = open_socket(protocol, failure)) < 0)
		return -1;
	if (talk(*kept, request, length, reply, failure) == 0)
		return 0;
	/* What is left in it would answer the next request. */
	close(*kept);
	*kept = -1;
	return -1;
}
