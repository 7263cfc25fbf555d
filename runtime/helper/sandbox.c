#include "sandbox.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "handover.h"
#include "identity.h"
#include "kernel.h"
#include "mounts.h"
#include "procfs.h"
#include "user-namespace.h"

/* Nobody's uid: not one that a container or the node uses. */
#define INIT_UID 65535

#define POD_NAMESPACES ((uint64_t)(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS))

/* The pod's own user namespace; -1 = the node's. */
static int user = -1;
static int init_pidfd = -1;
static pid_t init_pid;
/* Namespaces that are there before the sandbox is known. */
static uint64_t prepared;
static bool loopback_ready;

static int loopback_up(struct failure *failure)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(failure, "socket", "lo");
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int result = ioctl(fd, SIOCSIFFLAGS, &request) ? fail(failure, "set interface up", "lo") : 0;
	close(fd);
	return result;
}

/* Not the mount namespace: it must hold what the node has mounted by the time there is a pod. */
void sandbox_prepare(uint64_t namespaces)
{
	struct failure failure = { 0 };
	namespaces &= POD_NAMESPACES;
	if (namespaces == 0 || unshare((int)namespaces))
		return;
	prepared = namespaces;
	loopback_ready = (namespaces & CLONE_NEWNET) && loopback_up(&failure) == 0;
}

/* What the node mounts later is seen in them too. */
static int own_mounts(struct failure *failure)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return fail(failure, "new mount namespace", NULL);
	return 0;
}

/*
 * One /dev/shm for all containers of the pod, as there is one IPC namespace: hung where the containers take it from, in a
 * mount namespace of the monitor's own.
 */
static int share_memory(const uint8_t *payload, size_t length, struct failure *failure)
{
	char path[PATH_MAX], options[128];
	if (tlv_text(payload, length, TAG_PATH, path, sizeof path) ||
	    tlv_text(payload, length, TAG_OPTION, options, sizeof options))
		return fail(failure, "mount shared memory", "not described");
	if (own_mounts(failure))
		return -1;
	if (mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		return fail(failure, "mount shared memory", path);
	return 0;
}

static int dress(const uint8_t *payload, size_t length, uint64_t namespaces, struct failure *failure)
{
	char hostname[65];
	if (unshare((int)(namespaces & ~prepared)))
		return fail(failure, "new namespaces", NULL);
	if (namespaces & CLONE_NEWUTS) {
		if (tlv_text(payload, length, TAG_HOSTNAME, hostname, sizeof hostname) ||
		    sethostname(hostname, strlen(hostname)))
			return fail(failure, "set host name", NULL);
	}
	if ((namespaces & CLONE_NEWNET) && !loopback_ready && loopback_up(failure))
		return -1;
	/* /proc/sys shows the namespaces of whoever opens it: ours are the pod's. */
	return procfs_write_all(payload, length, TAG_SYSCTL, "set sysctl", failure);
}

/* A child makes them inside of a user namespace, so that this owns them; we join them and stay outside of it. */
static int dress_owned(const uint8_t *payload, size_t length, uint64_t namespaces, int owner, struct failure *failure)
{
	int ends[2], pidfd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return fail(failure, "socket", NULL);
	pid_t pid = fork_watched(0, &pidfd);
	if (pid == 0) {
		close(ends[0]);
		/* What there is already belongs to the node's. */
		prepared = 0;
		loopback_ready = false;
		if (user_namespace_enter(owner, failure) == 0)
			dress(payload, length, namespaces, failure);
		/* It holds the namespaces until we have joined them. */
		if (write(ends[1], failure, sizeof *failure) < 0 || read(ends[1], failure, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0)
		fail(failure, "clone", NULL);
	else if (read(ends[0], failure, sizeof *failure) != sizeof *failure)
		fail_with(failure, EPIPE, "new namespaces", "the child is gone");
	else if (!failure->error && setns(pidfd, (int)namespaces))
		fail(failure, "join namespaces", NULL);
	close(ends[0]);
	if (pid > 0) {
		close(pidfd);
		waitpid(pid, NULL, 0);
	}
	return failure->error ? -1 : 0;
}

static int make(const uint8_t *payload, size_t length, struct failure *failure)
{
	uint64_t namespaces = tlv_number(payload, length, TAG_NAMESPACES, 0) & POD_NAMESPACES;
	char map[64];
	struct tlv cgroup;
	if (tlv_text(payload, length, TAG_USER_MAP, map, sizeof map) == 0) {
		user = user_namespace_new(map, failure);
		if (user < 0 || dress_owned(payload, length, namespaces, user, failure))
			return -1;
	} else if (dress(payload, length, namespaces, failure)) {
		return -1;
	}
	if ((namespaces & CLONE_NEWIPC) && share_memory(payload, length, failure))
		return -1;
	if (!tlv_find(payload, length, TAG_CGROUP, &cgroup))
		return fail_with(failure, EINVAL, "make cgroup", "none given");
	return cgroup_make(&cgroup, failure);
}

int sandbox_make(const uint8_t *payload, size_t length, struct failure *failure)
{
	if (make(payload, length, failure) == 0)
		return 0;
	sandbox_remove(payload, length);
	return -1;
}

void sandbox_remove(const uint8_t *payload, size_t length)
{
	struct tlv cgroup;
	if (!tlv_find(payload, length, TAG_CGROUP, &cgroup))
		return;
	cgroup_kill(&cgroup);
	if (!cgroup_remove(&cgroup))
		fprintf(stderr, "monitor: a cgroup of the pod could not be removed\n");
}

/* An empty root of its own, no capability, no descriptor: nothing to be had from it. */
static int strip(struct failure *failure)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/proc", "tmpfs", MS_RDONLY, "size=0"))
		return fail(failure, "empty root", NULL);
	int root = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(failure, "empty root", NULL);
	if (mounts_enter(root, failure))
		return -1;
	if (syscall(SYS_close_range, 0, ~0U, 0))
		return fail(failure, "close descriptors", NULL);
	uint8_t nobody[2 * (TLV_HEADER + 4)] = {
		TAG_UID, 0, 4, 0, 0, 0, INIT_UID & 255, INIT_UID >> 8, 0, 0,
		TAG_GID, 0, 4, 0, 0, 0, INIT_UID & 255, INIT_UID >> 8, 0, 0,
	};
	return identity_assume(&(struct identity){ .container = nobody, .container_length = sizeof nobody }, failure);
}

/*
 * Mounts the /proc of the pid namespace: it shows the one of whoever mounts it, and containers come into it only when they are
 * complete. This is in the monitor's mount namespace still, where they take it from.
 */
static int share_proc(const uint8_t *payload, size_t length, struct failure *failure)
{
	char path[PATH_MAX];
	if (tlv_text(payload, length, TAG_SHARED_PROC, path, sizeof path) ||
	    mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return fail(failure, "mount shared /proc", NULL);
	return unshare(CLONE_NEWNS) ? fail(failure, "new mount namespace", NULL) : 0;
}

/* `report` -1: there is no /proc to share. */
static _Noreturn void reap_forever(const uint8_t *payload, size_t length, int report)
{
	struct failure failure = { 0 };
	prctl(PR_SET_NAME, "gantry-init");
	prctl(PR_SET_DUMPABLE, 0);
	/* In a user namespace of the pod's own each container mounts its own: nobody there can reach what comes from the node's. */
	if (report >= 0 && share_proc(payload, length, &failure)) {
		(void)!write(report, &failure, sizeof failure);
		_exit(1);
	}
	/* Closes the report with everything else: that is the good news. */
	if (strip(&failure) || prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(1);
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwaitinfo(&set, NULL);
	}
}

/* By a child that has entered the user namespace, so that this owns the pids. */
static int start_owned(struct failure *failure)
{
	int report[2];
	struct failure ours = { 0 };
	pid_t pid = -1;
	if (pipe2(report, O_CLOEXEC))
		return fail(failure, "pipe", NULL);
	pid_t between = fork();
	if (between == 0) {
		if (user_namespace_enter(user, &ours) == 0)
			pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
		if (pid == 0)
			reap_forever(NULL, 0, -1);
		_exit(write(report[1], &pid, sizeof pid) != sizeof pid);
	}
	close(report[1]);
	if (between > 0 && (read(report[0], &pid, sizeof pid) != sizeof pid || waitpid(between, NULL, 0) != between))
		pid = -1;
	close(report[0]);
	init_pid = pid;
	init_pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	return init_pidfd < 0 ? fail(failure, "clone init", NULL) : init_pidfd;
}

int sandbox_start_init(const uint8_t *payload, size_t length, struct failure *failure)
{
	if (user >= 0)
		return start_owned(failure);
	int report[2];
	/* Without an IPC namespace of its own the monitor has shared the node's mounts until now. */
	if (!(tlv_number(payload, length, TAG_NAMESPACES, 0) & CLONE_NEWIPC) && own_mounts(failure))
		return -1;
	if (pipe2(report, O_CLOEXEC))
		return fail(failure, "pipe", NULL);
	pid_t pid = fork_watched(CLONE_NEWPID, &init_pidfd);
	if (pid == 0)
		reap_forever(payload, length, report[1]);
	close(report[1]);
	init_pid = pid;
	int result = pid < 0 ? fail(failure, "clone init", NULL) : init_pidfd;
	if (pid > 0 && read(report[0], failure, sizeof *failure) == sizeof *failure)
		result = -1;
	close(report[0]);
	return result;
}

pid_t sandbox_init_pid(void) { return init_pid; }

void sandbox_stop_init(void)
{
	if (init_pidfd >= 0)
		syscall(SYS_pidfd_send_signal, init_pidfd, SIGKILL, NULL, 0);
}

void sandbox_hand_over(struct writer *w)
{
	put_descriptor(w, HANDOVER_INIT, init_pidfd);
	put_number(w, HANDOVER_PID, (uint64_t)init_pid);
}

int sandbox_take_over(const uint8_t *state, size_t length)
{
	init_pid = (pid_t)tlv_number(state, length, HANDOVER_PID, 0);
	return init_pidfd = take_descriptor(state, length, HANDOVER_INIT);
}
