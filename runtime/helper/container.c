#include "container.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "handover.h"
#include "record.h"
#include "session.h"

#define CONTAINERS_LIMIT 256

static struct container *all;
static int shared_pids = -1;
static void (*when_none_runs)(void);

struct container *containers(void) { return all; }
void container_share_pids(int pidfd) { shared_pids = pidfd; }

int container_pid_namespace(const struct container *container)
{
	uint64_t own = tlv_number(container->spec, container->spec_length, TAG_NAMESPACES, 0) & CLONE_NEWPID;
	return own ? container->process.pidfd : shared_pids;
}

struct container *container_find(const uint8_t *payload, size_t length)
{
	char id[CONTAINER_ID_MAX];
	if (tlv_text(payload, length, TAG_ID, id, sizeof id))
		return NULL;
	for (struct container *container = all; container; container = container->next)
		if (strcmp(container->id, id) == 0)
			return container;
	return NULL;
}

void put_exit(struct writer *w, const struct container *container)
{
	put_text(w, TAG_CONTAINER, container->id);
	put_number(w, TAG_CODE, (uint64_t)container->code);
	put_number(w, TAG_SIGNAL, (uint64_t)container->signal);
	put_text(w, TAG_REASON, container->reason);
	put_number(w, TAG_FINISHED_MS, container->finished_ms);
}

void put_container(struct writer *w, const struct container *container)
{
	struct tlv labels;
	put_text(w, TAG_ID, container->id);
	put_number(w, TAG_PID, (uint64_t)container->process.pid);
	put_number(w, TAG_STARTED_MS, container->started_ms);
	if (tlv_find(container->spec, container->spec_length, TAG_LABELS, &labels))
		put_bytes(w, TAG_LABELS, labels.value, labels.length);
	if (container->state == CONTAINER_EXITED)
		put_exit(w, container);
}

static void kill_all_of(struct container *container)
{
	struct tlv cgroup;
	process_signal(&container->process, SIGKILL);
	/* The first process takes its pid namespace along; without one of its own the cgroup tells what belongs to it. */
	if (!(tlv_number(container->spec, container->spec_length, TAG_NAMESPACES, 0) & CLONE_NEWPID) &&
	    tlv_find(container->spec, container->spec_length, TAG_CGROUP, &cgroup))
		cgroup_kill(&cgroup);
}

static void release(struct source *source)
{
	struct container *container = (struct container *)((char *)source - offsetof(struct container, tomb));
	free(container->spec);
	free(container);
}

static void forget(struct container *container)
{
	struct tlv cgroup;
	for (struct container **link = &all; *link; link = &(*link)->next)
		if (*link == container) {
			*link = container->next;
			break;
		}
	timer_clear(&container->grace);
	log_close(&container->log);
	session_detach_all(container);
	process_release(&container->process);
	if (tlv_find(container->spec, container->spec_length, TAG_CGROUP, &cgroup)) {
		cgroup_kill(&cgroup);
		cgroup_remove(&cgroup);
	}
	container->tomb = (struct source){ .fd = -1, .release = release };
	loop_forget(&container->tomb);
}

static void answer_state(struct connection *connection, uint32_t id, const struct container *container)
{
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, id);
	put_container(&w, container);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

static void answer_waiters(struct container *container)
{
	bool remove = false;
	while (container->waiters) {
		struct waiter *waiter = container->waiters;
		container->waiters = waiter->next;
		remove = remove || waiter->remove;
		if (waiter->connection)
			answer_state(waiter->connection, waiter->id, container);
		free(waiter);
	}
	if (remove)
		forget(container);
}

/* To those who wanted it stopped or removed before it had begun. */
static void answer_gone(struct waiter *waiters)
{
	struct failure failure = { .error = ENOENT, .step = "find container" };
	while (waiters) {
		struct waiter *waiter = waiters;
		waiters = waiter->next;
		if (waiter->connection && waiter->remove)
			reply_ok(waiter->connection, waiter->id);
		else if (waiter->connection)
			reply_failure(waiter->connection, waiter->id, &failure);
		free(waiter);
	}
}

static void announce(const struct container *container)
{
	struct connection *next;
	for (struct connection *connection = connections(); connection; connection = next) {
		next = connection->next;
		if (!connection->watching)
			continue;
		struct writer w;
		frame_begin(&w, &connection->out, OP_EXITED, 0);
		put_exit(&w, container);
		if (frame_end(&w))
			connection_close(connection);
		else
			connection_flush(connection);
	}
}

static void classify(struct container *container)
{
	struct tlv cgroup;
	int status = container->process.wait_status;
	container->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	container->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	container->reason = container->code ? "Error" : "Completed";
	if (container->code && tlv_find(container->spec, container->spec_length, TAG_CGROUP, &cgroup) &&
	    cgroup_oom_kills(&cgroup) > 0)
		container->reason = "OOMKilled";
}

static void check_none_runs(void)
{
	for (struct container *container = all; container; container = container->next)
		if (container->state != CONTAINER_EXITED)
			return;
	if (when_none_runs)
		when_none_runs();
}

static void on_end(struct process *process)
{
	struct container *container = (struct container *)process;
	if (process->failed) {
		/* Answered only now: when the caller tries again, nothing is in its way. */
		struct waiter starter = container->starter;
		struct failure failure = container->failure;
		struct waiter *waiters = container->waiters;
		container->waiters = NULL;
		forget(container);
		if (starter.connection)
			reply_failure(starter.connection, starter.id, &failure);
		answer_gone(waiters);
		return check_none_runs();
	}
	classify(container);
	container->finished_ms = wall_ms();
	container->state = CONTAINER_EXITED;
	timer_clear(&container->grace);
	log_close(&container->log);
	kill_all_of(container);
	session_end_all(container);
	announce(container);
	record_exit(container);
	answer_waiters(container);
	check_none_runs();
}

static void on_start(struct process *process, const struct failure *failure)
{
	struct container *container = (struct container *)process;
	struct connection *connection = container->starter.connection;
	if (failure) {
		container->failure = *failure;
		return;
	}
	container->starter.connection = NULL;
	container->started_ms = wall_ms();
	container->state = CONTAINER_RUNNING;
	if (connection)
		answer_state(connection, container->starter.id, container);
}

static void on_output(struct process *process, enum log_stream stream, const char *data, size_t length)
{
	struct container *container = (struct container *)process;
	log_write(&container->log, stream, data, length);
	if (container->attached)
		session_output(container, stream, data, length);
}

static void on_grace_over(struct timer *timer)
{
	kill_all_of((struct container *)((char *)timer - offsetof(struct container, grace)));
}

static struct container *make(const struct frame *frame, struct failure *failure)
{
	struct container *container = calloc(1, sizeof *container);
	if (!container || !(container->spec = malloc(frame->length ? frame->length : 1))) {
		free(container);
		fail_with(failure, ENOMEM, "start", "no memory");
		return NULL;
	}
	memcpy(container->spec, frame->payload, frame->length);
	container->spec_length = frame->length;
	process_init(&container->process);
	container->log.fd = -1;
	container->grace.fire = on_grace_over;
	container->process.on_start = on_start;
	container->process.on_output = on_output;
	container->process.on_end = on_end;
	return container;
}

static int launch(struct container *container, struct failure *failure)
{
	char log[PATH_MAX];
	struct tlv cgroup;
	const uint8_t *spec = container->spec;
	size_t length = container->spec_length;
	bool own_pids = tlv_number(spec, length, TAG_NAMESPACES, 0) & CLONE_NEWPID;
	if (tlv_text(spec, length, TAG_ID, container->id, sizeof container->id))
		return fail(failure, "container id", NULL);
	if (tlv_text(spec, length, TAG_LOG, log, sizeof log) || log_open(&container->log, log, failure))
		return failure->error ? -1 : fail(failure, "open log", NULL);
	if (!tlv_find(spec, length, TAG_CGROUP, &cgroup))
		return fail_with(failure, EINVAL, "make cgroup", "none given");
	if (cgroup_make(&cgroup, failure))
		return -1;
	container->process.wants_input = tlv_number(spec, length, TAG_STDIN, 0);
	struct spawn spawn = {
		.container = spec,
		.container_length = length,
		.init_pidfd = -1,
		.pid_namespace_of = own_pids ? -1 : shared_pids,
		.tty = tlv_number(spec, length, TAG_TTY, 0),
	};
	return process_start(&container->process, &spawn, failure);
}

static unsigned count(void)
{
	unsigned number = 0;
	for (struct container *container = all; container; container = container->next)
		number++;
	return number;
}

void container_start(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct container *container = container_find(frame->payload, frame->length);
	if (container && container->state != CONTAINER_STARTING)
		return answer_state(connection, frame->id, container);
	if (container || count() >= CONTAINERS_LIMIT) {
		fail_with(&failure, container ? EALREADY : ENOSPC, "start", container ? "is being started" : "too many containers");
		return reply_failure(connection, frame->id, &failure);
	}
	container = make(frame, &failure);
	if (!container)
		return reply_failure(connection, frame->id, &failure);
	container->next = all;
	all = container;
	if (launch(container, &failure)) {
		forget(container);
		return reply_failure(connection, frame->id, &failure);
	}
	container->starter = (struct waiter){ .connection = connection, .id = frame->id };
}

static bool wait_for(struct container *container, struct connection *connection, uint32_t id, bool remove)
{
	struct waiter *waiter = malloc(sizeof *waiter);
	if (!waiter)
		return false;
	*waiter = (struct waiter){ .next = container->waiters, .connection = connection, .id = id, .remove = remove };
	container->waiters = waiter;
	return true;
}

void container_stop(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct container *container = container_find(frame->payload, frame->length);
	if (!container) {
		fail_with(&failure, ENOENT, "find container", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	if (container->state == CONTAINER_EXITED)
		return answer_state(connection, frame->id, container);
	if (!wait_for(container, connection, frame->id, false)) {
		fail_with(&failure, ENOMEM, "stop", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	uint64_t grace = tlv_number(frame->payload, frame->length, TAG_GRACE_MS, 0);
	if (grace == 0)
		return kill_all_of(container);
	process_signal(&container->process, (int)tlv_number(frame->payload, frame->length, TAG_SIGNAL, SIGTERM));
	/* A second, shorter grace counts; a longer one does not. */
	if (!container->grace.at_ms || monotonic_ms() + grace < container->grace.at_ms)
		timer_set(&container->grace, grace);
}

void container_remove(struct connection *connection, const struct frame *frame)
{
	struct container *container = container_find(frame->payload, frame->length);
	if (container && container->state == CONTAINER_EXITED)
		forget(container);
	else if (container && wait_for(container, connection, frame->id, true))
		return kill_all_of(container);
	reply_ok(connection, frame->id);
}

void container_reopen_log(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	char path[PATH_MAX];
	struct container *container = container_find(frame->payload, frame->length);
	if (!container || container->log.fd < 0)
		fail_with(&failure, container ? ESRCH : ENOENT, "find container", NULL);
	else if (tlv_text(container->spec, container->spec_length, TAG_LOG, path, sizeof path))
		fail(&failure, "open log", NULL);
	else if (log_reopen(&container->log, path, &failure) == 0)
		return reply_ok(connection, frame->id);
	reply_failure(connection, frame->id, &failure);
}

void container_end_all(void (*done)(void))
{
	when_none_runs = done;
	for (struct container *container = all; container; container = container->next)
		if (container->state != CONTAINER_EXITED)
			kill_all_of(container);
	check_none_runs();
}

void container_forget_connection(struct connection *connection)
{
	for (struct container *container = all; container; container = container->next) {
		if (container->starter.connection == connection)
			container->starter.connection = NULL;
		for (struct waiter *waiter = container->waiters; waiter; waiter = waiter->next)
			if (waiter->connection == connection)
				waiter->connection = NULL;
	}
}

bool containers_settled(void)
{
	for (struct container *container = all; container; container = container->next)
		if (container->state == CONTAINER_STARTING || !process_settled(&container->process))
			return false;
	return !when_none_runs;
}

static void hand_over_waiter(struct writer *w, const struct waiter *waiter)
{
	size_t nest = nest_begin(w, HANDOVER_WAITER);
	if (waiter->connection)
		put_number(w, HANDOVER_PEER, (uint64_t)waiter->connection->source.fd);
	put_number(w, HANDOVER_ID, waiter->id);
	put_number(w, HANDOVER_FLAGS, waiter->remove);
	nest_end(w, nest);
}

void containers_hand_over(struct writer *w)
{
	for (struct container *container = all; container; container = container->next) {
		size_t nest = nest_begin(w, HANDOVER_CONTAINER);
		put_bytes(w, HANDOVER_SPEC, container->spec, container->spec_length);
		put_number(w, HANDOVER_STATE, container->state);
		process_hand_over(w, &container->process);
		log_hand_over(w, &container->log);
		put_number(w, HANDOVER_STARTED, container->started_ms);
		put_number(w, HANDOVER_FINISHED, container->finished_ms);
		put_number(w, HANDOVER_CODE, (uint64_t)container->code);
		put_number(w, HANDOVER_SIGNAL, (uint64_t)container->signal);
		put_text(w, HANDOVER_REASON, container->reason ? container->reason : "");
		/* The clock goes on through execve. */
		put_number(w, HANDOVER_GRACE, container->grace.at_ms);
		for (const struct waiter *waiter = container->waiters; waiter; waiter = waiter->next)
			hand_over_waiter(w, waiter);
		nest_end(w, nest);
	}
}

static const char *reason_of(const struct tlv *from)
{
	static const char *const known[] = { "Completed", "Error", "OOMKilled" };
	char reason[32];
	if (tlv_text(from->value, from->length, HANDOVER_REASON, reason, sizeof reason))
		return NULL;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], reason) == 0)
			return known[i];
	return NULL;
}

static int take_over_waiters(struct container *container, const struct tlv *from)
{
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(from->value, from->length, &offset, &item) == 1)
		if (item.tag == HANDOVER_WAITER &&
		    !wait_for(container, connection_of(take_descriptor(item.value, item.length, HANDOVER_PEER)),
			      (uint32_t)tlv_number(item.value, item.length, HANDOVER_ID, 0),
			      tlv_number(item.value, item.length, HANDOVER_FLAGS, 0)))
			return -1;
	return 0;
}

static int take_over(const struct tlv *from)
{
	struct failure failure = { 0 };
	struct tlv spec;
	if (!tlv_find(from->value, from->length, HANDOVER_SPEC, &spec))
		return -1;
	struct container *container = make(&(struct frame){ .payload = spec.value, .length = spec.length }, &failure);
	if (!container)
		return -1;
	container->next = all;
	all = container;
	container->state = (enum container_state)tlv_number(from->value, from->length, HANDOVER_STATE, 0);
	process_take_over(&container->process, from->value, from->length);
	container->started_ms = tlv_number(from->value, from->length, HANDOVER_STARTED, 0);
	container->finished_ms = tlv_number(from->value, from->length, HANDOVER_FINISHED, 0);
	container->code = (int)tlv_number(from->value, from->length, HANDOVER_CODE, 0);
	container->signal = (int)tlv_number(from->value, from->length, HANDOVER_SIGNAL, 0);
	container->reason = reason_of(from);
	uint64_t grace = tlv_number(from->value, from->length, HANDOVER_GRACE, 0), now = monotonic_ms();
	if (grace)
		timer_set(&container->grace, grace > now ? grace - now : 0);
	if (tlv_text(spec.value, spec.length, TAG_ID, container->id, sizeof container->id))
		return -1;
	return log_take_over(&container->log, from->value, from->length) || take_over_waiters(container, from) ? -1 : 0;
}

int containers_take_over(const uint8_t *state, size_t length)
{
	return take_each(state, length, HANDOVER_CONTAINER, take_over);
}
