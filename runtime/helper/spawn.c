#include "spawn.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "builder.h"
#include "cgroup.h"
#include "defence.h"
#include "descriptors.h"
#include "detached.h"
#include "execute.h"
#include "identity.h"
#include "init.h"
#include "kernel.h"
#include "launch.h"
#include "listener.h"
#include "mounts.h"
#include "procfs.h"
#include "pty.h"
#include "targets.h"
#include "user-namespace.h"

static int own_pid_namespace = -1;
/* In the child alone: our own program, where the container wants it as its process 1. */
static int init = -1;

int spawn_init(struct failure *failure)
{
	own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	return own_pid_namespace < 0 ? fail(failure, "open own pid namespace", NULL) : detached_init(failure);
}

int spawn_send(int status, int fd, pid_t pid, struct failure *failure)
{
	ssize_t sent = descriptors_send(status, &fd, 1, &pid, sizeof pid, 0);
	return sent == sizeof pid ? 0 : fail(failure, "pass descriptor", NULL);
}

static enum spawn_report broken_report(struct failure *failure)
{
	fail_with(failure, EPROTO, "start", "the child sent nonsense");
	return SPAWN_FAILED;
}

enum spawn_report spawn_report(int status, pid_t *pid, int *fd, struct failure *failure)
{
	ssize_t got = descriptors_receive(status, fd, 1, failure, sizeof *failure, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return SPAWN_NOTHING;
	if (got == 0)
		return SPAWN_EXECUTED;
	if (got == sizeof *failure) {
		/* The child may be in a container's hands by now: its words are data. */
		failure->step[sizeof failure->step - 1] = failure->detail[sizeof failure->detail - 1] = 0;
		return failure->error > 0 ? SPAWN_FAILED : broken_report(failure);
	}
	if (got != sizeof *pid || *fd < 0)
		return broken_report(failure);
	memcpy(pid, failure, sizeof *pid);
	memset(failure, 0, sizeof *pid);
	return *pid ? SPAWN_ENTERED : SPAWN_TERMINAL;
}

/* The terminal of /dev/console, for programs that insist on that name. */
static int bind_console(int root, const struct pty *pty, struct failure *failure)
{
	int onto = (defended("real-console") ? resolve_strictly : resolve_target)(root, "dev/console", TARGET_FILE, failure);
	if (onto < 0)
		return -1;
	int slave = defended("terminal-by-descriptor") ? pty->slave : open_inside(root, "dev/pts/0", O_PATH);
	int node = open_tree_(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int result = node < 0 || move_mount_(node, onto) ? fail(failure, "mount /dev/console", NULL) : 0;
	if (node >= 0)
		close(node);
	close(onto);
	return result;
}

/* Whether the pod has a user namespace, which owns all others. */
static bool is_owned(const struct spawn *spawn)
{
	return tlv_number(spawn->container, spawn->container_length, TAG_HOST_ID, 0) != 0;
}

static struct identity identity_of(const struct spawn *spawn)
{
	return (struct identity){ spawn->container, spawn->container_length, spawn->exec, spawn->exec_length, spawn->first };
}

/* While we may: a container's root has no power over pipes of ours. */
static int give_stdio(const struct spawn *spawn, struct failure *failure)
{
	uint64_t base = tlv_number(spawn->container, spawn->container_length, TAG_HOST_ID, 0);
	struct identity who = identity_of(spawn);
	uid_t owner = (uid_t)(base + identity_number(&who, TAG_UID));
	for (int i = 0; !spawn->tty && i < 3; i++)
		if (spawn->stdio[i] >= 0 && fchown(spawn->stdio[i], owner, (gid_t)-1))
			return fail(failure, "set stdio owner", NULL);
	return 0;
}

static int take_stdio(const struct spawn *spawn, int root, const struct pty *pty, struct failure *failure)
{
	struct identity who = identity_of(spawn);
	uid_t uid = (uid_t)identity_number(&who, TAG_UID);
	if (spawn->tty) {
		/* So that the user may reopen it under its name. */
		if (fchown(pty->slave, uid, (gid_t)-1))
			return fail(failure, "set terminal owner", NULL);
		return 0; /* assumed by the session that will own it */
	}
	for (int i = 0; i < 3; i++) {
		int from = spawn->stdio[i];
		if (from < 0)
			from = openat2_(root, "dev/null", O_RDWR | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (from < 0 || dup2(from, i) < 0)
			return fail(failure, "set stdio", from < 0 ? "/dev/null" : NULL);
	}
	return 0;
}

/* Into the working directory, made when missing. A path through /proc/self/fd is no way out of the root. */
static int enter_directory(const struct spawn *spawn, int root, struct failure *failure)
{
	char path[4096];
	if ((!spawn->exec || tlv_text(spawn->exec, spawn->exec_length, TAG_CWD, path, sizeof path)) &&
	    tlv_text(spawn->container, spawn->container_length, TAG_CWD, path, sizeof path))
		return fail(failure, "working directory", NULL);
	int fd = resolve_target(root, path, TARGET_DIRECTORY, failure);
	if (fd < 0 || fchdir(fd))
		return fail(failure, "working directory", path);
	close(fd);
	return 0;
}

static int prepare_first(const struct spawn *spawn, struct failure *failure)
{
	uint64_t namespaces = tlv_number(spawn->container, spawn->container_length, TAG_NAMESPACES, 0);
	if ((namespaces & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP))
		return fail(failure, "new cgroup namespace", NULL);
	return mounts_build(spawn->container, spawn->container_length, failure);
}

static int prepare_exec(const struct spawn *spawn, struct failure *failure)
{
	int user = is_owned(spawn) ? user_namespace_of_pod(failure) : -1;
	if (is_owned(spawn) && user < 0)
		return -1;
	if (setns(spawn->init_pidfd, CLONE_NEWNS | CLONE_NEWCGROUP))
		return fail(failure, "enter container", NULL);
	if (user >= 0 && user_namespace_enter(user, failure))
		return -1;
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? fail(failure, "open root", NULL) : root;
}

static void first_size(const struct spawn *spawn, const struct pty *pty)
{
	const uint8_t *source = spawn->exec ? spawn->exec : spawn->container;
	size_t length = spawn->exec ? spawn->exec_length : spawn->container_length;
	unsigned columns = (unsigned)tlv_number(source, length, TAG_COLUMNS, 0);
	if (columns)
		pty_resize(pty->master, columns, (unsigned)tlv_number(source, length, TAG_ROWS, 0));
}

/* What is left to do once nothing is left that a container must not have. */
static int finish(const struct spawn *spawn, int status, const struct pty *pty, struct failure *failure)
{
	if (setsid() < 0)
		return fail(failure, "new session", NULL);
	if (spawn->tty && pty_assume(pty, failure))
		return -1;
	/* Dropping privileges had cleared it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return fail(failure, "set parent death signal", NULL);
	race_point("entered");
	/* It goes on reporting by the status socket, which it finds at its place. */
	if (init >= 0 && ((init = fcntl(init, F_DUPFD_CLOEXEC, INIT_STATUS + 1)) < 0 ||
			  (status == INIT_STATUS ? fcntl(status, F_SETFD, 0) : dup2(status, INIT_STATUS)) < 0))
		return fail(failure, "pass status socket", NULL);
	return execute(spawn, init, failure);
}

/* Keeps only these, at fixed places. */
static int close_all_but(int *status, int *gate, int *terminal)
{
	int kept[4] = { *status, *gate, *terminal, init };
	for (int i = 0; i < 4; i++)
		if (kept[i] >= 0 && (kept[i] = fcntl(kept[i], F_DUPFD_CLOEXEC, 64)) < 0)
			return -1;
	for (int i = 0; i < 4; i++)
		if (kept[i] >= 0 && dup3(kept[i], 3 + i, O_CLOEXEC) < 0)
			return -1;
	*status = 3;
	*gate = 4;
	*terminal = 5;
	init = init < 0 ? -1 : 6;
	return (int)syscall(SYS_close_range, init < 0 ? 6 : 7, ~0U, 0);
}

/*
 * Goes on as a new process, in new namespaces or those entered for children: a child of the monitor like this one, which
 * reports it and ends. Returns in the new one, with a gate to wait at until the monitor can know of it: its pid comes through.
 */
static int go_on(uint64_t namespaces, int status, struct failure *failure)
{
	int gate[2], pidfd = -1;
	if (pipe2(gate, O_CLOEXEC))
		return fail(failure, "pipe", NULL);
	int open_gate = fcntl(gate[1], F_DUPFD_CLOEXEC, 3);
	pid_t pid = (pid_t)syscall(SYS_clone, namespaces | CLONE_PARENT | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
	if (pid < 0 || open_gate < 0)
		return fail(failure, "clone", NULL);
	if (pid == 0) {
		close(gate[1]);
		close(open_gate);
		return gate[0];
	}
	if (spawn_send(status, pidfd, pid, failure))
		_exit(126);
	/* The report ends with the last who holds it: the program may be over before this process is. */
	close(status);
	_exit(write(open_gate, &pid, sizeof pid) == sizeof pid ? 0 : 126);
}

static _Noreturn void give_up(int status, const struct failure *failure)
{
	if (send(status, failure, sizeof *failure, MSG_NOSIGNAL) < 0)
		_exit(126);
	_exit(127);
}

/*
 * What joins a pid namespace in which others are (an exec, a container where the pod shares its pids) shows up there only
 * here, when it already is what the container is: same root, same rights, no descriptor of ours. Before that not even
 * CAP_SYS_PTRACE could reach it.
 */
static int enter_pids(const struct spawn *spawn, int status, struct pty *pty, struct failure *failure)
{
	pid_t pid;
	int gate = go_on(0, status, failure);
	if (gate < 0)
		return -1;
	if (close_all_but(&status, &gate, &pty->slave) || read(gate, &pid, sizeof pid) != sizeof pid)
		_exit(126);
	finish(spawn, status, pty, failure);
	give_up(status, failure);
}

/* A first process in a user namespace joins early: what comes from the node's cannot be reached from inside of it. */
static bool joins_last(const struct spawn *spawn)
{
	return spawn->pid_namespace_of >= 0 && (spawn->exec || !is_owned(spawn)) && defended("pids-last");
}

/* From here on nothing is done with the node's rights in a pod that has a user namespace. */
static int run_in(const struct spawn *spawn, int root, int status, struct failure *failure)
{
	struct pty pty = { -1, -1 };
	if (spawn->tty && (pty_open(root, &pty, failure) || spawn_send(status, pty.master, 0, failure)))
		return -1;
	if (spawn->tty)
		first_size(spawn, &pty);
	if (spawn->tty && !spawn->exec && bind_console(root, &pty, failure))
		return -1;
	if (take_stdio(spawn, root, &pty, failure))
		return -1;
	if (!spawn->exec && !is_owned(spawn) && mounts_enter(root, failure))
		return -1;
	if (enter_directory(spawn, root, failure))
		return -1;
	umask(022);
	/* Whatever is open was opened by us, for us. */
	if (defended("closed-descriptors") && syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC))
		return fail(failure, "close descriptors", NULL);
	struct identity who = identity_of(spawn);
	if (identity_assume(&who, failure))
		return -1;
	return joins_last(spawn) ? enter_pids(spawn, status, &pty, failure) : finish(spawn, status, &pty, failure);
}

/* The first process of a container in a pod with a user namespace: a child made by one who has entered it owns its pids. */
static int become_owned(const struct spawn *spawn, int status, struct failure *failure)
{
	pid_t pid;
	uint64_t namespaces = tlv_number(spawn->container, spawn->container_length, TAG_NAMESPACES, 0);
	int user = user_namespace_of_pod(failure);
	int channel = user < 0 ? -1 : builder_start(spawn->container, spawn->container_length, user, failure);
	if (channel < 0)
		return -1;
	if (spawn->pid_namespace_of >= 0 && setns(spawn->pid_namespace_of, CLONE_NEWPID))
		return fail(failure, "enter pid namespace", NULL);
	if (user_namespace_enter(user, failure))
		return -1;
	int gate = go_on(namespaces & (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP), status, failure);
	if (gate < 0)
		return -1;
	/* Not before the monitor can know of us. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || read(gate, &pid, sizeof pid) != sizeof pid)
		_exit(126);
	listener_follow(pid);
	int root = builder_finish(spawn->container, spawn->container_length, channel, failure);
	return root < 0 ? -1 : run_in(spawn, root, status, failure);
}

static int become(const struct spawn *spawn, int status, struct failure *failure)
{
	struct tlv cgroup;
	umask(0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return fail(failure, "set parent death signal", NULL);
	if (!tlv_find(spawn->container, spawn->container_length, TAG_CGROUP, &cgroup))
		return fail_with(failure, EINVAL, "enter cgroup", "none given");
	if (cgroup_attach(&cgroup, failure) || identity_limits(spawn->container, spawn->container_length, failure) ||
	    procfs_write_all(spawn->container, spawn->container_length, TAG_LABEL, "set AppArmor profile", failure) ||
	    listener_connect(spawn->container, spawn->container_length, failure) ||
	    give_stdio(spawn, failure))
		return -1;
	if (!spawn->exec && tlv_number(spawn->container, spawn->container_length, TAG_INIT, 0) &&
	    (init = open("/proc/self/exe", O_PATH | O_CLOEXEC)) < 0)
		return fail(failure, "open init", NULL);
	if (!spawn->exec && is_owned(spawn))
		return become_owned(spawn, status, failure);
	/* Ours stays what it is, our child's will be the container's. */
	if (joins_last(spawn) && setns(spawn->pid_namespace_of, CLONE_NEWPID))
		return fail(failure, "enter pid namespace", NULL);
	race_point("spawned");
	int root = spawn->exec ? prepare_exec(spawn, failure) : prepare_first(spawn, failure);
	return root < 0 ? -1 : run_in(spawn, root, status, failure);
}

static _Noreturn void child(const struct spawn *spawn, int status)
{
	struct failure failure = { 0 };
	sigset_t none;
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (launch_is_wanted(spawn))
		launch(spawn, status, &failure);
	else
		become(spawn, status, &failure);
	give_up(status, &failure);
}

static pid_t clone_into(const struct spawn *spawn, int *pidfd, struct failure *failure)
{
	bool owned = !spawn->exec && is_owned(spawn);
	uint64_t namespaces = spawn->exec || owned ? 0 : tlv_number(spawn->container, spawn->container_length, TAG_NAMESPACES, 0);
	struct tlv cgroup;
	int into = tlv_find(spawn->container, spawn->container_length, TAG_CGROUP, &cgroup) ? cgroup_into(&cgroup, failure) : -1;
	if (failure->error)
		return -1;
	struct clone_args arguments = {
		.flags = CLONE_PIDFD | (namespaces & (CLONE_NEWPID | CLONE_NEWNS)) | (into < 0 ? 0 : CLONE_INTO_CGROUP),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = into < 0 ? 0 : (uint64_t)into,
	};
	/* It joins by itself, at its end (enter_pids), and programs of the node stay where they are: this is how it must not be. */
	bool shared = !owned && spawn->pid_namespace_of >= 0 && !launch_is_wanted(spawn) && !defended("pids-last");
	pid_t pid = -1;
	if (shared && setns(spawn->pid_namespace_of, CLONE_NEWPID))
		fail(failure, "enter pid namespace", NULL);
	else if ((pid = clone3_(&arguments)) < 0)
		fail(failure, "clone", NULL);
	if (pid != 0 && into >= 0)
		close(into);
	/* Only the next children's namespace had changed; it must not stay so. */
	if (pid != 0 && shared && setns(own_pid_namespace, CLONE_NEWPID))
		abort();
	return pid;
}

pid_t spawn_process(const struct spawn *spawn, int *pidfd, int *status, struct failure *failure)
{
	int sockets[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return fail(failure, "status socket", NULL);
	pid_t pid = clone_into(spawn, pidfd, failure);
	if (pid == 0)
		child(spawn, sockets[1]);
	close(sockets[1]);
	if (pid < 0) {
		close(sockets[0]);
		return -1;
	}
	*status = sockets[0];
	return pid;
}
