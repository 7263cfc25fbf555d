#include "monitors.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "defence.h"
#include "kernel.h"
#include "listen.h"
#include "loop.h"

#define LISTENER 3
#define PAYLOAD 4
#define MONITORS_LIMIT 4096

struct monitor {
	struct source source; /* its pidfd; first: the loop casts */
	struct monitor *next;
	pid_t pid;
	struct tlv cgroup;
};

static struct monitor *all;
static unsigned count;
static int program = -1;
static int run_directory = -1;
static const char *run_directory_name;

static int sealed_copy(int from, off_t size)
{
	int fd = memfd_create("gantry-monitor", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before 6.3 all are executable */
		fd = memfd_create("gantry-monitor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	while (size > 0) {
		ssize_t copied = sendfile(fd, from, NULL, (size_t)size);
		if (copied <= 0)
			break;
		size -= copied;
	}
	if (size > 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
		close(fd);
		return -1;
	}
	return fd;
}

int monitors_init(int directory, const char *name, const char *path, struct failure *failure)
{
	struct stat about;
	run_directory = directory;
	run_directory_name = name;
	int from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &about))
		return fail(failure, "open monitor", path);
	if (!defended("sealed-program")) {
		program = from;
		return 0;
	}
	program = sealed_copy(from, about.st_size);
	if (program < 0)
		fail(failure, "copy monitor", path);
	close(from);
	return program < 0 ? -1 : 0;
}

static void release(struct source *source)
{
	struct monitor *monitor = (struct monitor *)source;
	close(monitor->source.fd);
	free((void *)monitor->cgroup.value);
	free(monitor);
}

/* After a proper end nothing is left and this does nothing; otherwise its containers must not run on unwatched. */
static void on_exit_of(struct source *source, uint32_t events)
{
	(void)events;
	struct monitor *monitor = (struct monitor *)source;
	cgroup_kill(&monitor->cgroup);
	for (struct monitor **link = &all; *link; link = &(*link)->next)
		if (*link == monitor) {
			*link = monitor->next;
			break;
		}
	count--;
	loop_forget(source);
}

static int keep(pid_t pid, int pidfd, const uint8_t *payload, size_t length)
{
	struct monitor *monitor = calloc(1, sizeof *monitor);
	struct tlv cgroup = { 0 };
	uint8_t *copy = NULL;
	if (monitor && tlv_find(payload, length, TAG_CGROUP, &cgroup))
		copy = malloc(cgroup.length ? cgroup.length : 1);
	if (!copy) {
		free(monitor);
		errno = ENOMEM;
		return -1;
	}
	memcpy(copy, cgroup.value, cgroup.length);
	monitor->cgroup = (struct tlv){ .tag = TAG_CGROUP, .length = cgroup.length, .value = copy };
	monitor->pid = pid;
	monitor->source = (struct source){ .fd = pidfd, .ready = on_exit_of, .release = release };
	monitor->next = all;
	all = monitor;
	count++;
	return loop_watch(&monitor->source, EPOLLIN);
}

static _Noreturn void become_monitor(int listener, int payload, const char *socket)
{
	/* The monitor uses none of them: they tell people, and who clears up, whose it is. */
	char *const arguments[] = { "gantry-monitor", (char *)run_directory_name, (char *)socket, NULL };
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above the fixed numbers first, so that neither overwrites the other. */
	int high_listener = fcntl(listener, F_DUPFD_CLOEXEC, 16), high_payload = fcntl(payload, F_DUPFD_CLOEXEC, 16);
	int high_program = fcntl(program, F_DUPFD_CLOEXEC, 16);
	if (setsid() >= 0 && dup2(high_listener, LISTENER) == LISTENER && dup2(high_payload, PAYLOAD) == PAYLOAD)
		fexecve(high_program, arguments, MONITOR_ENVIRONMENT);
	fprintf(stderr, "helper: monitor not executed: %s\n", strerror(errno));
	_exit(127);
}

static int payload_file(const uint8_t *payload, size_t length)
{
	int fd = memfd_create("gantry-sandbox", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, payload, length) != (ssize_t)length) {
		close(fd);
		return -1;
	}
	return fd;
}

static pid_t fork_monitor(int listener, const char *socket, const uint8_t *payload, size_t length,
			  struct failure *failure)
{
	int file = payload_file(payload, length), pidfd = -1;
	if (file < 0)
		return fail(failure, "pass sandbox", NULL);
	struct clone_args arguments = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = clone3_(&arguments);
	if (pid == 0)
		become_monitor(listener, file, socket);
	close(file);
	if (pid < 0)
		return fail(failure, "fork monitor", NULL);
	if (keep(pid, pidfd, payload, length)) {
		fail(failure, "watch monitor", NULL);
		kill(pid, SIGKILL);
		close(pidfd);
		return -1;
	}
	return pid;
}

pid_t monitors_start(const uint8_t *payload, size_t length, struct failure *failure)
{
	char name[64];
	if (tlv_text(payload, length, TAG_SOURCE, name, sizeof name) || strchr(name, '/'))
		return fail_with(failure, EINVAL, "socket name", NULL);
	if (count >= MONITORS_LIMIT)
		return fail_with(failure, ENOSPC, "fork monitor", "too many sandboxes");
	int listener = listen_in(run_directory, name, failure);
	if (listener < 0)
		return -1;
	pid_t pid = fork_monitor(listener, name, payload, length, failure);
	close(listener);
	if (pid < 0)
		unlinkat(run_directory, name, 0);
	return pid;
}

int monitors_adopt(const uint8_t *payload, size_t length, struct failure *failure)
{
	pid_t pid = (pid_t)tlv_number(payload, length, TAG_PID, 0);
	for (struct monitor *monitor = all; monitor; monitor = monitor->next)
		if (monitor->pid == pid)
			return 0;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return fail(failure, "adopt monitor", NULL);
	if (keep(pid, pidfd, payload, length)) {
		close(pidfd);
		return fail(failure, "adopt monitor", NULL);
	}
	return 0;
}
