#include "builder.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "detached.h"
#include "identity.h"
#include "kernel.h"
#include "mounts.h"
#include "spawn.h"
#include "user-namespace.h"

/* Waits for a descriptor from the other side; -1 with what it says instead. */
static int receive(int channel, struct failure *failure)
{
	struct pollfd ready = { .fd = channel, .events = POLLIN };
	enum spawn_report report = SPAWN_NOTHING;
	pid_t pid;
	int fd = -1;
	while (report == SPAWN_NOTHING) {
		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			return fail(failure, "build root", NULL);
		report = spawn_report(channel, &pid, &fd, failure);
	}
	if (report == SPAWN_TERMINAL)
		return fd;
	return report == SPAWN_FAILED ? -1 : fail_with(failure, EPIPE, "build root", "the other side is gone");
}

static int build(const uint8_t *container, size_t length, int user, int channel, struct failure *failure)
{
	/* Later /proc is the container's, where we are not. */
	int namespaces = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (namespaces < 0 || unshare(CLONE_NEWNS | CLONE_NEWCGROUP))
		return fail(failure, "new mount namespace", NULL);
	if (identity_act_as((uid_t)tlv_number(container, length, TAG_HOST_ID, 0), failure))
		return -1;
	int proc = receive(channel, failure);
	if (proc < 0)
		return -1;
	detached_use(user, proc);
	int root = mounts_build(container, length, failure);
	if (root < 0 || mounts_enter(root, failure) || user_namespace_enter(user, failure))
		return -1;
	if (unshare(CLONE_NEWNS))
		return fail(failure, "new mount namespace", NULL);
	int mounts = openat(namespaces, "mnt", O_RDONLY | O_CLOEXEC);
	return mounts < 0 ? fail(failure, "open mount namespace", NULL) : mounts;
}

int builder_start(const uint8_t *container, size_t length, int user, struct failure *failure)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return fail(failure, "builder socket", NULL);
	pid_t pid = fork();
	if (pid == 0) {
		/* Only what it needs: the ends of others' pipes must not outlive them here. */
		int kept[2] = { fcntl(user, F_DUPFD_CLOEXEC, 64), fcntl(ends[1], F_DUPFD_CLOEXEC, 64) };
		if (dup3(kept[0], 3, O_CLOEXEC) < 0 || dup3(kept[1], 4, O_CLOEXEC) < 0 || syscall(SYS_close_range, 5, ~0U, 0))
			_exit(1);
		int mounts = build(container, length, 3, 4, failure);
		if (mounts >= 0)
			_exit(spawn_send(4, mounts, 0, failure) ? 1 : 0);
		_exit(send(4, failure, sizeof *failure, MSG_NOSIGNAL) < 0);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return fail(failure, "fork builder", NULL);
	}
	return ends[0];
}

static int mount_proc(const uint8_t *container, size_t length, struct failure *failure)
{
	char type[32];
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(container, length, &offset, &item) == 1)
		if (item.tag == TAG_MOUNT && tlv_text(item.value, item.length, TAG_TYPE, type, sizeof type) == 0 &&
		    strcmp(type, "proc") == 0)
			return detached_mount(&item, failure);
	return fail_with(failure, EINVAL, "mount", "no /proc given");
}

int builder_finish(const uint8_t *container, size_t length, int channel, struct failure *failure)
{
	int proc = mount_proc(container, length, failure);
	if (proc < 0 || spawn_send(channel, proc, 0, failure))
		return -1;
	int mounts = receive(channel, failure);
	if (mounts < 0)
		return -1;
	if (setns(mounts, CLONE_NEWNS))
		return fail(failure, "enter mount namespace", NULL);
	close(proc);
	close(mounts);
	close(channel);
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? fail(failure, "open root", NULL) : root;
}
