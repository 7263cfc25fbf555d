#include "user-namespace.h"

#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "kernel.h"

/* Any ids will do to try with. */
#define PROBE_MAP "0 65536 65536"

static int map_ids(pid_t pid, const char *map, struct failure *failure)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	char path[64];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
		if (write_file(path, map))
			return fail(failure, "map ids", map);
	}
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail(failure, "open user namespace", NULL) : fd;
}

int user_namespace_new(const char *map, struct failure *failure)
{
	/* It lives as long as somebody holds it: until we have opened it, a process in it does. */
	struct clone_args arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = clone3_(&arguments);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return fail(failure, "new user namespace", NULL);
	int fd = map_ids(pid, map, failure);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int user_namespace_of_pod(struct failure *failure)
{
	int network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = network < 0 ? -1 : ioctl(network, NS_GET_USERNS);
	if (fd < 0)
		fail(failure, "find user namespace", NULL);
	if (network >= 0)
		close(network);
	return fd;
}

int user_namespace_enter(int fd, struct failure *failure)
{
	if (setns(fd, CLONE_NEWUSER) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return fail(failure, "enter user namespace", NULL);
	return 0;
}

int user_namespace_probe(const char *path, struct failure *failure)
{
	int user = user_namespace_new(PROBE_MAP, failure);
	if (user < 0)
		return -1;
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user };
	int copy = open_tree_(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int result = copy < 0 || mount_setattr_(copy, AT_EMPTY_PATH, &attributes) ? fail(failure, "idmap mount", path) : 0;
	if (copy >= 0)
		close(copy);
	close(user);
	return result;
}
