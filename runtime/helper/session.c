#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover.h"
#include "pty.h"

/* Output waiting for a client. An exec is made to wait; someone attached who is that slow is let go. */
#define EXEC_QUEUE_LIMIT ((size_t)256 << 10)
#define ATTACH_QUEUE_LIMIT ((size_t)1 << 20)

/* HANDOVER_FLAGS */
#define ONCE 1
#define INPUT_ENDED 2

struct session {
	struct process process; /* exec only; first: callbacks cast */
	struct session *next;   /* of the container's attached, or of all execs */
	struct connection *connection;
	struct container *container; /* NULL once it is forgotten */
	bool exec;
	bool once; /* the container's stdin ends with this client */
	uint32_t id;
	struct buffer pending; /* stdin that the process has not taken */
	struct source writable;
	int writable_fd; /* a copy: epoll knows a descriptor once */
	bool input_ended;
	struct source tomb;
};

static struct session *execs;

static void release(struct source *source)
{
	struct session *session = (struct session *)((char *)source - offsetof(struct session, tomb));
	buffer_free(&session->pending);
	free(session);
}

static void unlink_from(struct session **list, struct session *session)
{
	for (; *list; list = &(*list)->next)
		if (*list == session) {
			*list = session->next;
			return;
		}
}

static void stop_writing(struct session *session)
{
	if (session->writable.added)
		loop_watch(&session->writable, 0);
	if (session->writable_fd >= 0)
		close(session->writable_fd);
	session->writable_fd = -1;
}

static void bury(struct session *session)
{
	stop_writing(session);
	session->writable.dead = true;
	session->tomb = (struct source){ .fd = -1, .release = release };
	loop_forget(&session->tomb);
}

static struct process *target(struct session *session)
{
	if (session->exec)
		return &session->process;
	return session->container ? &session->container->process : NULL;
}

static void input_over(struct session *session)
{
	struct process *process = target(session);
	/* A terminal has no end of input of its own; an attached client's end is the container's only with stdinOnce. */
	if (process && process->terminal < 0 && (session->exec || session->once))
		process_close_input(process);
}

/* Hands on pending input; -1 when nobody will ever take it. */
static int push_input(struct session *session)
{
	struct process *process = target(session);
	while (buffer_used(&session->pending)) {
		if (!process || process->input < 0)
			return -1;
		ssize_t written = write(process->input, buffer_head(&session->pending), buffer_used(&session->pending));
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return 0;
		if (written < 0)
			return -1;
		buffer_take(&session->pending, (size_t)written);
	}
	return 0;
}

static void feed(struct session *session)
{
	struct process *process = target(session);
	if (push_input(session))
		buffer_take(&session->pending, buffer_used(&session->pending));
	bool waiting = buffer_used(&session->pending) > 0;
	if (waiting && session->writable_fd < 0 && process) {
		session->writable_fd = dup(process->input);
		session->writable.fd = session->writable_fd;
		if (session->writable_fd < 0 || loop_watch(&session->writable, EPOLLOUT))
			waiting = false;
	}
	if (!waiting) {
		stop_writing(session);
		if (session->input_ended)
			input_over(session);
	}
	if (session->connection)
		connection_pause(session->connection, waiting);
}

static void on_writable(struct source *source, uint32_t events)
{
	(void)events;
	struct session *session = (struct session *)((char *)source - offsetof(struct session, writable));
	feed(session);
	if (session->connection)
		connection_resume(session->connection);
}

static void on_close(struct connection *connection)
{
	struct session *session = connection->session;
	connection->session = NULL;
	session->connection = NULL;
	container_forget_connection(connection);
	if (session->exec) {
		/* Its group too: what a shell runs in the foreground would live on. */
		if (!session->process.reaped) {
			process_signal(&session->process, SIGKILL);
			kill(-session->process.pid, SIGKILL);
		}
		return process_pause(&session->process, false);
	}
	if (session->container) {
		unlink_from(&session->container->attached, session);
		if (session->once)
			process_close_input(&session->container->process);
	}
	bury(session);
}

static void on_drain(struct connection *connection)
{
	struct session *session = connection->session;
	if (session && session->exec && buffer_used(&connection->out) < EXEC_QUEUE_LIMIT / 2)
		process_pause(&session->process, false);
}

static struct session *make(struct connection *connection, struct container *container, uint32_t id)
{
	struct session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	process_init(&session->process);
	session->connection = connection;
	session->container = container;
	session->id = id;
	session->writable_fd = -1;
	session->writable = (struct source){ .fd = -1, .ready = on_writable };
	if (!connection)
		return session;
	connection->session = session;
	connection->on_close = on_close;
	connection->on_drain = on_drain;
	return session;
}

static void send_output(struct connection *connection, enum log_stream stream, const char *data, size_t length)
{
	struct writer w;
	frame_begin(&w, &connection->out, stream == LOG_STDOUT ? OP_STDOUT : OP_STDERR, 0);
	put_bytes(&w, TAG_DATA, data, length);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

static void on_exec_start(struct process *process, const struct failure *failure)
{
	struct session *session = (struct session *)process;
	struct connection *connection = session->connection;
	if (!connection)
		return process_signal(process, SIGKILL);
	if (failure)
		return reply_failure(connection, session->id, failure);
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, session->id);
	put_number(&w, TAG_PID, (uint64_t)process->pid);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

static void on_exec_output(struct process *process, enum log_stream stream, const char *data, size_t length)
{
	struct session *session = (struct session *)process;
	if (!session->connection)
		return; /* nobody is left to see it */
	send_output(session->connection, stream, data, length);
	if (session->connection && buffer_used(&session->connection->out) > EXEC_QUEUE_LIMIT)
		process_pause(process, true);
}

static void on_exec_end(struct process *process)
{
	struct session *session = (struct session *)process;
	struct connection *connection = session->connection;
	int status = process->wait_status;
	if (connection) {
		connection->session = NULL;
		connection->on_close = container_forget_connection;
		connection->on_drain = NULL;
	}
	if (connection && !process->failed) {
		struct writer w;
		frame_begin(&w, &connection->out, OP_EXITED, 0);
		put_number(&w, TAG_CODE, (uint64_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
		put_number(&w, TAG_SIGNAL, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		put_number(&w, TAG_FINISHED_MS, wall_ms());
		if (frame_end(&w))
			connection_close(connection);
		else
			connection_end_output(connection);
	}
	unlink_from(&execs, session);
	process_release(process);
	bury(session);
}

static struct container *running(const struct frame *frame, struct failure *failure)
{
	struct container *container = container_find(frame->payload, frame->length);
	if (!container || container->state != CONTAINER_RUNNING) {
		fail_with(failure, container ? ESRCH : ENOENT, "find container", container ? "it is not running" : NULL);
		return NULL;
	}
	return container;
}

static void make_exec(struct session *session)
{
	session->exec = true;
	session->process.on_start = on_exec_start;
	session->process.on_output = on_exec_output;
	session->process.on_end = on_exec_end;
}

void session_exec(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct container *container = running(frame, &failure);
	struct session *session = container && !connection->session ? make(connection, container, frame->id) : NULL;
	if (!session) {
		if (container)
			fail_with(&failure, connection->session ? EBUSY : ENOMEM, "exec", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	make_exec(session);
	session->process.wants_input = tlv_number(frame->payload, frame->length, TAG_STDIN, 0);
	struct spawn spawn = {
		.container = container->spec,
		.container_length = container->spec_length,
		.exec = frame->payload,
		.exec_length = frame->length,
		.init_pidfd = container->process.pidfd,
		.first = container->process.pid,
		.pid_namespace_of = container_pid_namespace(container),
		.tty = tlv_number(frame->payload, frame->length, TAG_TTY, 0),
	};
	if (process_start(&session->process, &spawn, &failure)) {
		connection->session = NULL;
		connection->on_close = container_forget_connection;
		bury(session);
		return reply_failure(connection, frame->id, &failure);
	}
	session->next = execs;
	execs = session;
}

void session_attach(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct container *container = running(frame, &failure);
	struct session *session = container && !connection->session ? make(connection, container, frame->id) : NULL;
	if (!session) {
		if (container)
			fail_with(&failure, connection->session ? EBUSY : ENOMEM, "attach", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	/* 1 = open, 2 = once. */
	session->once = tlv_number(container->spec, container->spec_length, TAG_STDIN, 0) == 2;
	session->next = container->attached;
	container->attached = session;
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, frame->id);
	put_number(&w, TAG_STDIN, container->process.input >= 0);
	put_number(&w, TAG_TTY, container->process.terminal >= 0);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

void session_frame(struct connection *connection, const struct frame *frame)
{
	struct session *session = connection->session;
	struct process *process = session ? target(session) : NULL;
	struct tlv data;
	if (!process)
		return; /* it has ended meanwhile */
	if (frame->op == OP_STDIN && !session->input_ended && tlv_find(frame->payload, frame->length, TAG_DATA, &data)) {
		if (buffer_append(&session->pending, data.value, data.length))
			return connection_close(connection);
		feed(session);
	} else if (frame->op == OP_STDIN_END) {
		session->input_ended = true;
		feed(session);
	} else if (frame->op == OP_SIGNAL) {
		process_signal(process, (int)tlv_number(frame->payload, frame->length, TAG_SIGNAL, 0));
	} else if (frame->op == OP_RESIZE && process->terminal >= 0) {
		pty_resize(process->terminal, (unsigned)tlv_number(frame->payload, frame->length, TAG_COLUMNS, 0),
			   (unsigned)tlv_number(frame->payload, frame->length, TAG_ROWS, 0));
	}
}

void session_output(struct container *container, enum log_stream stream, const char *data, size_t length)
{
	struct session *next;
	for (struct session *session = container->attached; session; session = next) {
		next = session->next;
		send_output(session->connection, stream, data, length);
		if (session->connection && buffer_used(&session->connection->out) > ATTACH_QUEUE_LIMIT)
			connection_close(session->connection);
	}
}

void session_end_all(struct container *container)
{
	for (struct session *session = execs; session; session = session->next)
		if (session->container == container)
			process_signal(&session->process, SIGKILL);
	struct session *next;
	for (struct session *session = container->attached; session; session = next) {
		next = session->next;
		struct connection *connection = session->connection;
		struct writer w;
		frame_begin(&w, &connection->out, OP_EXITED, 0);
		put_exit(&w, container);
		if (frame_end(&w))
			connection_close(connection);
		else
			connection_end_output(connection);
	}
}

void session_detach_all(struct container *container)
{
	while (container->attached) {
		struct session *session = container->attached;
		container->attached = session->next;
		session->container = NULL;
		if (session->connection)
			connection_close(session->connection);
	}
	for (struct session *session = execs; session; session = session->next)
		if (session->container == container)
			session->container = NULL;
}

bool sessions_settled(void)
{
	for (struct session *session = execs; session; session = session->next)
		if (!process_settled(&session->process))
			return false;
	return true;
}

static void hand_over(struct writer *w, const struct session *session)
{
	size_t nest = nest_begin(w, HANDOVER_SESSION);
	if (session->connection)
		put_number(w, HANDOVER_PEER, (uint64_t)session->connection->source.fd);
	if (session->container)
		put_text(w, TAG_ID, session->container->id);
	if (session->exec)
		process_hand_over(w, &session->process);
	put_number(w, HANDOVER_ID, session->id);
	put_number(w, HANDOVER_FLAGS, session->once * ONCE | session->input_ended * INPUT_ENDED);
	put_bytes(w, HANDOVER_IN, buffer_head(&session->pending), buffer_used(&session->pending));
	nest_end(w, nest);
}

void sessions_hand_over(struct writer *w)
{
	for (const struct session *session = execs; session; session = session->next)
		hand_over(w, session);
	for (const struct container *container = containers(); container; container = container->next)
		for (const struct session *session = container->attached; session; session = session->next)
			hand_over(w, session);
}

static int take_over(const struct tlv *from)
{
	struct tlv bytes;
	struct container *container = container_find(from->value, from->length);
	struct session *session = make(connection_of(take_descriptor(from->value, from->length, HANDOVER_PEER)), container,
				       (uint32_t)tlv_number(from->value, from->length, HANDOVER_ID, 0));
	bool exec = tlv_find(from->value, from->length, HANDOVER_PROCESS, &bytes);
	if (!session || (!exec && !container))
		return -1;
	struct session **list = exec ? &execs : &container->attached;
	session->next = *list;
	*list = session;
	if (exec) {
		make_exec(session);
		process_take_over(&session->process, from->value, from->length);
	}
	uint64_t flags = tlv_number(from->value, from->length, HANDOVER_FLAGS, 0);
	session->once = flags & ONCE;
	session->input_ended = flags & INPUT_ENDED;
	if (!tlv_find(from->value, from->length, HANDOVER_IN, &bytes) || bytes.length == 0)
		return 0;
	if (buffer_append(&session->pending, bytes.value, bytes.length))
		return -1;
	feed(session);
	return 0;
}

int sessions_take_over(const uint8_t *state, size_t length)
{
	return take_each(state, length, HANDOVER_SESSION, take_over);
}
