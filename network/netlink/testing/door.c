/*
 * A netlink door for tests: reads frames on stdin, sends them to the kernel from the network namespace it was started in
 * (or another one by path), writes the replies to stdout. Also runs sysctl writes in that namespace.
 * Frame in: u32 length of the rest, u32 protocol, u32 length of path, path, netlink bytes. Protocol 255: write a
 * parameter: path is the file, the rest its value; 254: read it. Frame out: u32 length, i32 errno, bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT (64 << 20)

static uint8_t *in, *out;
static int own;
static int own_sockets[32];

static int read_all(void *to, size_t length)
{
	for (size_t at = 0; at < length;) {
		ssize_t got = read(0, (uint8_t *)to + at, length - at);
		if (got <= 0)
			return -1;
		at += (size_t)got;
	}
	return 0;
}

static void write_all(const void *from, size_t length)
{
	for (size_t at = 0; at < length;) {
		ssize_t put = write(1, (const uint8_t *)from + at, length - at);
		if (put <= 0)
			exit(1);
		at += (size_t)put;
	}
}

static int parameter(const char *path, const void *value, uint32_t length, int writing)
{
	int fd = open(path, writing ? O_WRONLY : O_RDONLY);
	if (fd < 0)
		return -errno;
	ssize_t done = writing ? write(fd, value, length) : read(fd, out, 4096);
	int result = done < 0 ? -errno : writing ? 0 : (int)done;
	close(fd);
	return result;
}

static int open_socket(const char *path, int protocol)
{
	if (*path) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET))
			return -1;
		close(fd);
	}
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), size = LIMIT, on = 1;
	if (*path && setns(own, CLONE_NEWNET))
		abort();
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	return fd;
}

static int exchange(const char *path, int protocol, const void *request, size_t length)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	size_t end = 0;
	/* Kept open for the own namespace: closing one after an nf_tables deletion waits for 15 ms. */
	int *kept = *path ? NULL : &own_sockets[protocol & 31];
	int fd = kept && *kept ? *kept : open_socket(path, protocol);
	if (fd < 0)
		return -errno;
	if (kept)
		*kept = fd;
	if (sendto(fd, request, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
		int failed = errno;
		if (!kept)
			close(fd);
		return -failed;
	}
	/* The kernel works within the send, and a dump within each recv: what there is to read is there already. */
	while (end < LIMIT - 65536) {
		ssize_t got = recv(fd, out + end, 65536, MSG_DONTWAIT);
		if (got <= 0)
			break;
		end += (size_t)got;
	}
	if (!kept)
		close(fd);
	return (int)end;
}

int main(void)
{
	/* Gone with the test that started it, however that ends. */
	prctl(PR_SET_PDEATHSIG, 9);
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	in = malloc(LIMIT);
	out = malloc(LIMIT);
	for (uint32_t length; read_all(&length, 4) == 0;) {
		if (length > LIMIT || read_all(in, length))
			return 1;
		uint32_t protocol, path_length;
		char path[4096];
		memcpy(&protocol, in, 4);
		memcpy(&path_length, in + 4, 4);
		if (path_length >= sizeof path)
			return 1;
		memcpy(path, in + 8, path_length);
		path[path_length] = 0;
		const uint8_t *rest = in + 8 + path_length;
		uint32_t rest_length = length - 8 - path_length;
		int result = protocol >= 254 ? parameter(path, rest, rest_length, protocol == 255)
					     : exchange(path, (int)protocol, rest, rest_length);
		uint32_t reply = 4 + (result > 0 ? (uint32_t)result : 0);
		int32_t failed = result < 0 ? -result : 0;
		write_all(&reply, 4);
		write_all(&failed, 4);
		write_all(out, reply - 4);
	}
	return 0;
}
