/*
 * The node's helper: does for the agent what Node cannot. It starts monitors from its tiny address space, is the
 * subreaper of everything below them, kills what a dead monitor leaves behind, and carries netlink batches into network
 * namespaces. It decides nothing.
 *
 * Usage: helper RUN_DIRECTORY MONITOR. Prints "ready" and closes its stdout once clients can connect to
 * RUN_DIRECTORY/helper.sock; exits with 3 when another helper serves that directory.
 */
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "connection.h"
#include "defence.h"
#include "listen.h"
#include "monitors.h"
#include "netlink.h"
#include "packet.h"
#include "user-namespace.h"

#define EXIT_ALREADY_RUNNING 3

static struct source signals;

static void netlink(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	char path[4096];
	struct tlv request;
	bool elsewhere = tlv_find(frame->payload, frame->length, TAG_PATH, &request);
	if (elsewhere && tlv_copy(&request, path, sizeof path)) {
		fail(&failure, "network namespace path", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	if (!tlv_find(frame->payload, frame->length, TAG_DATA, &request)) {
		fail_with(&failure, EINVAL, "netlink request", "no data");
		return reply_failure(connection, frame->id, &failure);
	}
	int protocol = (int)tlv_number(frame->payload, frame->length, TAG_PROTOCOL, 0);
	struct buffer reply = { 0 };
	if (netlink_exchange(elsewhere ? path : NULL, protocol, request.value, request.length, &reply, &failure)) {
		reply_failure(connection, frame->id, &failure);
	} else {
		struct writer w;
		frame_begin(&w, &connection->out, OP_OK, frame->id);
		put_bytes(&w, TAG_DATA, buffer_head(&reply), buffer_used(&reply));
		if (frame_end(&w))
			connection_close(connection);
		else
			connection_flush(connection);
	}
	buffer_free(&reply);
}

static void transmit(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct tlv data;
	int link = (int)tlv_number(frame->payload, frame->length, TAG_LINK, 0);
	if (!tlv_find(frame->payload, frame->length, TAG_DATA, &data))
		fail_with(&failure, EINVAL, "send frame", "no data");
	else if (packet_send(link, data.value, data.length, &failure) == 0)
		return reply_ok(connection, frame->id);
	reply_failure(connection, frame->id, &failure);
}

static void sandbox(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	pid_t pid = monitors_start(frame->payload, frame->length, &failure);
	if (pid < 0)
		return reply_failure(connection, frame->id, &failure);
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, frame->id);
	put_number(&w, TAG_PID, (uint64_t)pid);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
	monitors_refill(frame->payload, frame->length);
}

static void adopt(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	if (monitors_adopt(frame->payload, frame->length, &failure))
		return reply_failure(connection, frame->id, &failure);
	reply_ok(connection, frame->id);
}

static void make_cgroup(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct tlv cgroup;
	if (!tlv_find(frame->payload, frame->length, TAG_CGROUP, &cgroup))
		fail_with(&failure, EINVAL, "make cgroup", "none given");
	else if (cgroup_make(&cgroup, &failure) == 0)
		return reply_ok(connection, frame->id);
	reply_failure(connection, frame->id, &failure);
}

/* Kills what is in them; OP_CGROUP_REMOVE takes them away too. */
static void end_cgroups(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct tlv cgroup;
	if (!tlv_find(frame->payload, frame->length, TAG_CGROUP, &cgroup)) {
		fail_with(&failure, EINVAL, "remove cgroup", "none given");
		return reply_failure(connection, frame->id, &failure);
	}
	cgroup_kill(&cgroup);
	bool gone = frame->op == OP_CGROUP_REMOVE && cgroup_remove(&cgroup);
	if (gone)
		monitors_disown(&cgroup);
	if (gone || frame->op == OP_CGROUP_KILL)
		return reply_ok(connection, frame->id);
	fail_with(&failure, EBUSY, "remove cgroup", "processes in it do not end");
	reply_failure(connection, frame->id, &failure);
}

static void unmount(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	char path[4096] = "";
	if (tlv_text(frame->payload, frame->length, TAG_PATH, path, sizeof path) || umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW)) {
		fail(&failure, "unmount", path);
		return reply_failure(connection, frame->id, &failure);
	}
	reply_ok(connection, frame->id);
}

static void probe_idmap(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	char path[4096];
	if (tlv_text(frame->payload, frame->length, TAG_PATH, path, sizeof path))
		fail_with(&failure, EINVAL, "idmap mount", "no path given");
	else if (user_namespace_probe(path, &failure) == 0)
		return reply_ok(connection, frame->id);
	reply_failure(connection, frame->id, &failure);
}

static void handle(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	switch (frame->op) {
	case OP_HELLO:
		return reply_hello(connection, frame->id, monitors_program());
	case OP_NETLINK:
		return netlink(connection, frame);
	case OP_TRANSMIT:
		return transmit(connection, frame);
	case OP_SANDBOX:
		return sandbox(connection, frame);
	case OP_ADOPT:
		return adopt(connection, frame);
	case OP_CGROUP_MAKE:
		return make_cgroup(connection, frame);
	case OP_CGROUP_KILL:
	case OP_CGROUP_REMOVE:
		return end_cgroups(connection, frame);
	case OP_UNMOUNT:
		return unmount(connection, frame);
	case OP_PROBE_IDMAP:
		return probe_idmap(connection, frame);
	case OP_SHUTDOWN:
		monitors_end_spares();
		reply_ok(connection, frame->id);
		return loop_stop();
	default:
		fail_with(&failure, ENOSYS, "helper request", "unknown op");
		return reply_failure(connection, frame->id, &failure);
	}
}

static void on_signal(struct source *source, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info;
	if (read(source->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGTERM)
		return loop_stop();
	int status;
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signals = (struct source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal };
	return signals.fd < 0 ? -1 : loop_watch(&signals, EPOLLIN);
}

static int report(const struct failure *failure)
{
	fprintf(stderr, "helper: %s: %s: %s\n", failure->step, failure->detail, strerror(failure->error));
	return 1;
}

/* Says "ready" and lets go of the agent's pipe: whoever waits for its end must not wait for us. */
static int announce(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || write(STDOUT_FILENO, "ready\n", 6) != 6 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	close(null);
	return 0;
}

int main(int argc, char **argv)
{
	struct failure failure = { 0 };
	if (argc != 3) {
		fputs("usage: helper RUN_DIRECTORY MONITOR\n", stderr);
		return 2;
	}
	/* Whatever the agent's starter had left open is none of ours, nor of the monitors'. */
	if ((defended("inherited-descriptors") && close_range(3, ~0U, 0)) || prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_CHILD_SUBREAPER, 1) || prctl(PR_SET_NAME, "gantry-helper"))
		return report((fail(&failure, "prctl", NULL), &failure));
	/* Not the session of whoever started the agent: what is kept there would be every container's. Without keys: nothing. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	/* The last to go when memory runs out, with the monitors; where we may not say so (no CAP_SYS_RESOURCE), so be it. */
	(void)write_file("/proc/self/oom_score_adj", "-998");
	int directory = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return report((fail(&failure, "open run directory", argv[1]), &failure));
	int lock = openat(directory, "helper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return report((fail(&failure, "open lock", argv[1]), &failure));
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "helper: another one serves %s\n", argv[1]);
		return EXIT_ALREADY_RUNNING;
	}
	if (loop_init() || watch_signals())
		return report((fail(&failure, "event loop", NULL), &failure));
	if (netlink_init(&failure) || monitors_init(directory, argv[1], argv[2], &failure))
		return report(&failure);
	int listener = listen_in(directory, "helper.sock", &failure);
	if (listener < 0)
		return report(&failure);
	if (serve(listener, handle) || announce())
		return report((fail(&failure, "serve", NULL), &failure));
	if (chdir("/") || loop_run())
		return report((fail(&failure, "event loop", NULL), &failure));
	unlinkat(directory, "helper.sock", 0);
	return 0;
}
