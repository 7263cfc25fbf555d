#include "monitors.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "descriptors.h"
#include "defence.h"
#include "handover.h"
#include "kernel.h"
#include "listen.h"
#include "loop.h"

#define CHANNEL 3
/* Of a socket in the run directory, with its end. The monitor's argument has room for it: monitor.c relies on that. */
#define SOCKET_NAME_MAX 64
#define MONITORS_LIMIT 4096
#define SPARES_LIMIT 16
/* A spare is made when the pod that took the last one has started: making both at once would slow that one down. */
#define REFILL_MS 5

struct monitor {
	struct source source; /* its pidfd; first: the loop casts */
	struct monitor *next;
	pid_t pid;
	int channel; /* a spare's, where its sandbox is handed to it; -1 = it has one */
	uint64_t namespaces; /* a spare's, made already */
	struct tlv cgroup;
};

static struct monitor *all;
static unsigned count;
static int program = -1;
static int run_directory = -1;
static const char *run_directory_name;
static void refill(struct timer *timer);
static struct {
	uint64_t namespaces, wanted;
	struct timer timer;
} spares = { .timer.fire = refill };

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

int monitors_program(void) { return program; }

static void close_channel(struct monitor *monitor)
{
	if (monitor->channel >= 0)
		close(monitor->channel);
	monitor->channel = -1;
}

static void release(struct source *source)
{
	struct monitor *monitor = (struct monitor *)source;
	close_channel(monitor);
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

/* Watches a monitor from now on; owns `pidfd` and `channel` then. */
static struct monitor *keep(pid_t pid, int pidfd, int channel)
{
	struct monitor *monitor = calloc(1, sizeof *monitor);
	if (!monitor)
		return NULL;
	monitor->pid = pid;
	monitor->channel = channel;
	monitor->source = (struct source){ .fd = pidfd, .ready = on_exit_of, .release = release };
	if (loop_watch(&monitor->source, EPOLLIN)) {
		free(monitor);
		return NULL;
	}
	monitor->next = all;
	all = monitor;
	count++;
	return monitor;
}

void monitors_disown(const struct tlv *cgroup)
{
	struct tlv theirs, target;
	if (!tlv_find(cgroup->value, cgroup->length, TAG_TARGET, &target))
		return;
	for (struct monitor *monitor = all; monitor; monitor = monitor->next)
		if (tlv_find(monitor->cgroup.value, monitor->cgroup.length, TAG_TARGET, &theirs) &&
		    theirs.length == target.length && memcmp(theirs.value, target.value, target.length) == 0)
			monitor->cgroup.length = 0;
}

static int remember_cgroup(struct monitor *monitor, const uint8_t *payload, size_t length)
{
	struct tlv cgroup = { 0 };
	if (!tlv_find(payload, length, TAG_CGROUP, &cgroup))
		return errno = EINVAL, -1;
	uint8_t *copy = malloc(cgroup.length ? cgroup.length : 1);
	if (!copy)
		return -1;
	memcpy(copy, cgroup.value, cgroup.length);
	monitor->cgroup = (struct tlv){ .tag = TAG_CGROUP, .length = cgroup.length, .value = copy };
	return 0;
}

static _Noreturn void become_monitor(int channel, uint64_t namespaces)
{
	/* They tell people, and who clears up, whose it is; the monitor puts the name of its socket in the second one. */
	char name[SOCKET_NAME_MAX], kind[24];
	snprintf(name, sizeof name, "%-*s", SOCKET_NAME_MAX - 1, "spare");
	snprintf(kind, sizeof kind, "%llu", (unsigned long long)namespaces);
	char *const arguments[] = { "gantry-monitor", (char *)run_directory_name, name, kind, NULL };
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above the fixed number first, so that it is not overwritten. */
	int high_program = fcntl(program, F_DUPFD_CLOEXEC, 16), high_channel = fcntl(channel, F_DUPFD_CLOEXEC, 16);
	if (setsid() >= 0 && dup2(high_channel, CHANNEL) == CHANNEL)
		fexecve(high_program, arguments, MONITOR_ENVIRONMENT);
	fprintf(stderr, "helper: monitor not executed: %s\n", strerror(errno));
	_exit(127);
}

/* One without a sandbox yet, which makes these namespaces already. */
static struct monitor *fork_monitor(uint64_t namespaces, struct failure *failure)
{
	int channel[2], pidfd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel)) {
		fail(failure, "fork monitor", NULL);
		return NULL;
	}
	pid_t pid = fork_watched(0, &pidfd);
	if (pid == 0)
		become_monitor(channel[1], namespaces);
	struct monitor *monitor = pid < 0 ? NULL : keep(pid, pidfd, channel[0]);
	if (!monitor) {
		fail(failure, pid < 0 ? "fork monitor" : "watch monitor", NULL);
		close(channel[0]); /* it ends by that */
		if (pidfd >= 0)
			close(pidfd);
	} else {
		monitor->namespaces = namespaces;
	}
	close(channel[1]);
	return monitor;
}

/* Hands a spare its name, its listening socket and what it is to be. */
static int give(struct monitor *monitor, char *name, int listener, int payload)
{
	int passed[] = { listener, payload };
	ssize_t sent = descriptors_send(monitor->channel, passed, 2, name, strlen(name) + 1, MSG_DONTWAIT);
	close_channel(monitor);
	return sent < 0 ? -1 : 0;
}

static struct monitor *find_spare(uint64_t namespaces)
{
	for (struct monitor *monitor = all; monitor; monitor = monitor->next)
		if (monitor->channel >= 0 && monitor->namespaces == namespaces)
			return monitor;
	return NULL;
}

/* Whether it is the sandbox's monitor now. */
static bool hand_over(struct monitor *monitor, char *name, int listener, int file, const struct tlv *payload)
{
	if (remember_cgroup(monitor, payload->value, payload->length))
		return false;
	if (give(monitor, name, listener, file) == 0)
		return true;
	/* Its end must not kill what whoever takes its place starts. */
	free((void *)monitor->cgroup.value);
	monitor->cgroup = (struct tlv){ 0 };
	return false;
}

static struct monitor *start(char *name, int listener, const struct tlv *payload, struct failure *failure)
{
	uint64_t namespaces = tlv_number(payload->value, payload->length, TAG_NAMESPACES, 0);
	int file = handover_file("gantry-sandbox", payload->value, payload->length);
	if (file < 0) {
		fail(failure, "pass sandbox", NULL);
		return NULL;
	}
	struct monitor *monitor = find_spare(namespaces);
	/* A spare that has just died is passed over. */
	if (!monitor || !hand_over(monitor, name, listener, file, payload)) {
		monitor = fork_monitor(0, failure);
		if (monitor && !hand_over(monitor, name, listener, file, payload)) {
			fail(failure, "pass sandbox", NULL);
			close_channel(monitor);
			monitor = NULL;
		}
	}
	close(file);
	return monitor;
}

pid_t monitors_start(const uint8_t *payload, size_t length, struct failure *failure)
{
	char name[SOCKET_NAME_MAX];
	if (tlv_text(payload, length, TAG_SOURCE, name, sizeof name) || strchr(name, '/'))
		return fail_with(failure, EINVAL, "socket name", NULL);
	if (count >= MONITORS_LIMIT)
		return fail_with(failure, ENOSPC, "fork monitor", "too many sandboxes");
	int listener = listen_in(run_directory, name, failure);
	if (listener < 0)
		return -1;
	const struct tlv whole = { .length = (uint32_t)length, .value = payload };
	struct monitor *monitor = start(name, listener, &whole, failure);
	close(listener);
	if (!monitor)
		unlinkat(run_directory, name, 0);
	return monitor ? monitor->pid : -1;
}

static void refill(struct timer *timer)
{
	(void)timer;
	uint64_t there = 0;
	struct failure failure = { 0 };
	for (struct monitor *monitor = all; monitor; monitor = monitor->next)
		if (monitor->channel >= 0 && (monitor->namespaces != spares.namespaces || ++there > spares.wanted))
			close_channel(monitor); /* it ends by that */
	/* Without one the next sandbox only takes longer to make. */
	for (; there < spares.wanted && count < MONITORS_LIMIT; there++)
		if (!fork_monitor(spares.namespaces, &failure))
			return;
}

void monitors_refill(const uint8_t *payload, size_t length)
{
	uint64_t wanted = tlv_number(payload, length, TAG_SPARES, 0);
	spares.namespaces = tlv_number(payload, length, TAG_NAMESPACES, 0);
	spares.wanted = wanted < SPARES_LIMIT ? wanted : SPARES_LIMIT;
	if (!spares.timer.at_ms)
		timer_set(&spares.timer, REFILL_MS);
}

void monitors_end_spares(void)
{
	timer_clear(&spares.timer);
	for (struct monitor *monitor = all; monitor; monitor = monitor->next)
		if (monitor->channel >= 0 && kill(monitor->pid, SIGKILL) == 0)
			waitpid(monitor->pid, NULL, 0);
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
	struct monitor *monitor = keep(pid, pidfd, -1);
	if (!monitor)
		close(pidfd);
	if (!monitor || remember_cgroup(monitor, payload, length))
		return fail(failure, "adopt monitor", NULL);
	return 0;
}
