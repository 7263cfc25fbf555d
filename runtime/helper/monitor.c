/*
 * The monitor of one pod: holds its namespaces, is the parent of its containers, writes their logs, owns their
 * terminals, and serves the agent. It stands in for both a pause process and a shim, and decides nothing.
 *
 * Usage: gantry-monitor RUN_DIRECTORY NAME NAMESPACES, by the helper, with a socket at descriptor 3. It makes the
 * namespaces and waits there, as a spare, for its sandbox: the name of its socket (which takes the place of NAME for all to
 * see), the listening socket itself, and the payload of OP_SANDBOX in a file. It ends when the helper goes first.
 * With a fourth argument, the descriptor of a state (handover.h), it goes on in place of the program before it.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "connection.h"
#include "container.h"
#include "descriptors.h"
#include "detached.h"
#include "dial.h"
#include "handover.h"
#include "init.h"
#include "sandbox.h"
#include "session.h"

#define CHANNEL 3
#define SHARED_PID 1
/* After this long without a request the monitor makes itself small. */
#define IDLE_MS 500

static uint8_t *sandbox;
static size_t sandbox_length;
/* Why the sandbox could not be made: the answer to everything but DESTROY. */
static struct failure broken;
static struct source signals;
static struct waiter destroyer;
static char **own_arguments;

static void list(struct connection *connection, const struct frame *frame)
{
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, frame->id);
	put_number(&w, TAG_PID, (uint64_t)getpid());
	put_number(&w, TAG_INIT_PID, (uint64_t)sandbox_init_pid());
	for (struct container *container = containers(); container; container = container->next) {
		if (container->state == CONTAINER_STARTING)
			continue;
		size_t nest = nest_begin(&w, TAG_CONTAINER);
		put_container(&w, container);
		nest_end(&w, nest);
	}
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

static void watch(struct connection *connection, const struct frame *frame)
{
	connection->watching = true;
	reply_ok(connection, frame->id);
}

static void destroyed(void)
{
	sandbox_stop_init();
	sandbox_remove(sandbox, sandbox_length);
	if (destroyer.connection)
		reply_ok(destroyer.connection, destroyer.id);
	loop_stop();
}

static void destroy(struct connection *connection, const struct frame *frame)
{
	destroyer = (struct waiter){ .connection = connection, .id = frame->id };
	container_end_all(destroyed);
}

static void on_close(struct connection *connection)
{
	container_forget_connection(connection);
	if (destroyer.connection == connection)
		destroyer.connection = NULL;
}

/* Gives back the pages of the program itself: they are in the memory file, shared by all, and come again when needed. */
static int drop_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	const uintptr_t page = 4096;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		if (part->p_type != PT_LOAD || (part->p_flags & PF_W))
			continue;
		uintptr_t start = (info->dlpi_addr + part->p_vaddr) & ~(page - 1);
		uintptr_t end = (info->dlpi_addr + part->p_vaddr + part->p_memsz + page - 1) & ~(page - 1);
		/* What cannot be dropped stays: this only saves memory. */
		(void)madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 1; /* the program is the first of the list */
}

static void on_idle(struct timer *timer)
{
	(void)timer;
	malloc_trim(0);
	dl_iterate_phdr(drop_program, NULL);
}

static struct timer idle = { .fire = on_idle };

static void hand_over(struct writer *w, const struct connection *connection, const struct frame *frame)
{
	put_number(w, HANDOVER_FORMAT, HANDOVER_VERSION);
	put_bytes(w, HANDOVER_SANDBOX, sandbox, sandbox_length);
	sandbox_hand_over(w);
	detached_hand_over(w);
	connections_hand_over(w, connection, frame->length + FRAME_HEADER);
	containers_hand_over(w);
	sessions_hand_over(w);
	relays_hand_over(w);
	size_t nest = nest_begin(w, HANDOVER_REQUEST);
	put_number(w, HANDOVER_PEER, (uint64_t)connection->source.fd);
	put_number(w, HANDOVER_ID, frame->id);
	nest_end(w, nest);
}

/* Becomes the program at TAG_PATH, which answers; we answer only when that does not work. */
static void upgrade(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct buffer state = { 0 };
	struct writer w = { .out = &state };
	char path[64];
	if (!containers_settled() || !sessions_settled() || !relays_settled()) {
		fail_with(&failure, EBUSY, "upgrade", "something is just starting");
		return reply_failure(connection, frame->id, &failure);
	}
	if (tlv_text(frame->payload, frame->length, TAG_PATH, path, sizeof path)) {
		fail(&failure, "upgrade", "no program given");
		return reply_failure(connection, frame->id, &failure);
	}
	hand_over(&w, connection, frame);
	int file = -1;
	if (w.failed)
		fail_with(&failure, ENOMEM, "write state", NULL);
	else if ((file = handover_file("gantry-handover", buffer_head(&state), buffer_used(&state))) < 0)
		fail(&failure, "write state", NULL);
	buffer_free(&state);
	if (file >= 0) {
		handover_become(path, file, own_arguments, &failure);
		close(file);
	}
	reply_failure(connection, frame->id, &failure);
}

static void handle(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	if (!connection->on_close)
		connection->on_close = on_close;
	timer_set(&idle, IDLE_MS);
	if (broken.error && frame->op != OP_DESTROY)
		return reply_failure(connection, frame->id, &broken);
	switch (frame->op) {
	case OP_HELLO:
		return reply_hello(connection, frame->id, -1);
	case OP_START:
		return container_start(connection, frame);
	case OP_STOP:
		return container_stop(connection, frame);
	case OP_REMOVE:
		return container_remove(connection, frame);
	case OP_LIST:
		return list(connection, frame);
	case OP_WATCH:
		return watch(connection, frame);
	case OP_EXEC:
		return session_exec(connection, frame);
	case OP_ATTACH:
		return session_attach(connection, frame);
	case OP_DIAL:
		return dial(connection, frame);
	case OP_DESTROY:
		return destroy(connection, frame);
	case OP_UPGRADE:
		return upgrade(connection, frame);
	case OP_REOPEN_LOG:
		return container_reopen_log(connection, frame);
	case OP_STDIN:
	case OP_STDIN_END:
	case OP_RESIZE:
	case OP_SIGNAL:
		return session_frame(connection, frame);
	default:
		fail_with(&failure, ENOSYS, "monitor request", "unknown op");
		return reply_failure(connection, frame->id, &failure);
	}
}

static void on_signal(struct source *source, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info;
	if (read(source->fd, &info, sizeof info) == sizeof info)
		process_reap();
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &set, NULL))
		return -1;
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signals = (struct source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal };
	return signals.fd < 0 ? -1 : loop_watch(&signals, EPOLLIN);
}

static int read_payload(int file)
{
	struct stat about;
	if (fstat(file, &about) || about.st_size <= 0 || about.st_size > FRAME_LIMIT)
		return -1;
	sandbox_length = (size_t)about.st_size;
	sandbox = malloc(sandbox_length);
	if (!sandbox || pread(file, sandbox, sandbox_length, 0) != about.st_size)
		return -1;
	close(file);
	return tlv_valid(sandbox, sandbox_length) ? 0 : -1;
}

/* Waits for the sandbox; returns the listening socket, or -1 when none will come. */
static int await_sandbox(char *name)
{
	int passed[2];
	/* What it says takes no more than the argument's own room. */
	size_t room = strlen(name);
	ssize_t got;
	while ((got = descriptors_receive(CHANNEL, passed, 2, name, room, 0)) < 0 && errno == EINTR)
		;
	if (got <= 0 || passed[0] < 0)
		return -1;
	memset(name + got, 0, room - (size_t)got);
	close(CHANNEL);
	return read_payload(passed[1]) ? -1 : passed[0];
}

static int die(const char *step)
{
	fprintf(stderr, "monitor: %s: %s\n", step, strerror(errno));
	return 1;
}

static void answer_request(const uint8_t *state, size_t length)
{
	struct tlv request;
	if (!tlv_find(state, length, HANDOVER_REQUEST, &request))
		return;
	struct connection *connection = connection_of(take_descriptor(request.value, request.length, HANDOVER_PEER));
	if (connection)
		reply_hello(connection, (uint32_t)tlv_number(request.value, request.length, HANDOVER_ID, 0), -1);
}

/* Goes on where the program before this one was. Its state has been checked: what fails now is want of memory. */
static int take_over(const uint8_t *state, size_t length)
{
	struct tlv payload;
	if (!tlv_find(state, length, HANDOVER_SANDBOX, &payload) || !(sandbox = malloc(payload.length)))
		return -1;
	memcpy(sandbox, payload.value, payload.length);
	sandbox_length = payload.length;
	int init = sandbox_take_over(state, length);
	int spawns = spawn_init(&broken);
	detached_take_over(state, length);
	if (spawns || connections_take_over(state, length, handle) || containers_take_over(state, length) ||
	    sessions_take_over(state, length) || relays_take_over(state, length))
		return -1;
	container_share_pids(init);
	for (struct connection *connection = connections(); connection; connection = connection->next)
		if (!connection->on_close)
			connection->on_close = on_close;
	return 0;
}

static int resume(int file)
{
	struct tlv state;
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) || prctl(PR_SET_NAME, "gantry-monitor"))
		return die("resume");
	if (!handover_read(file, &state) || loop_init() || watch_signals() || take_over(state.value, state.length))
		return die("take over");
	answer_request(state.value, state.length);
	munmap((void *)state.value, state.length);
	close(file);
	timer_set(&idle, IDLE_MS);
	process_reap();
	struct connection *next;
	for (struct connection *connection = connections(); connection; connection = next) {
		next = connection->next;
		connection_resume(connection);
	}
	return loop_run() ? die("event loop") : 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[0], INIT_NAME) == 0)
		return init_run(argv + 1);
	if (argc == 2 && strcmp(argv[1], HANDOVER_CHECK) == 0)
		return handover_check();
	own_arguments = argv;
	if (argc < 4 || prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_CHILD_SUBREAPER, 1) || prctl(PR_SET_NAME, "gantry-spare"))
		return die("prctl");
	if (argc == 5)
		return resume(atoi(argv[4]));
	sandbox_prepare(strtoull(argv[3], NULL, 10));
	int listener = await_sandbox(argv[2]);
	if (listener < 0)
		return sandbox ? die("read sandbox") : 0;
	if (prctl(PR_SET_NAME, "gantry-monitor") || loop_init() || watch_signals() || serve(listener, handle))
		return die("event loop");
	if (spawn_init(&broken) == 0 && sandbox_make(sandbox, sandbox_length, &broken) == 0 &&
	    (tlv_number(sandbox, sandbox_length, TAG_FLAGS, 0) & SHARED_PID)) {
		int init = sandbox_start_init(sandbox, sandbox_length, &broken);
		if (init < 0)
			sandbox_remove(sandbox, sandbox_length);
		container_share_pids(init);
	}
	if (loop_run())
		return die("event loop");
	return 0;
}
