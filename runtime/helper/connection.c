#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "defence.h"
#include "handover.h"

/* Of the programs: helper and monitor are built together. */
#define VERSION "1"

/* One agent with a few sessions; a flood must not eat the descriptors that containers need. */
#define CONNECTIONS_LIMIT 512
#define READ_CHUNK 16384
#define ACCEPT_PAUSE_MS 50

/* HANDOVER_FLAGS */
#define PAUSED 1
#define WATCHING 2
#define ENDING 4

static struct source listening;
static handle_frame *handler;
static struct connection *all;
static int count;

struct connection *connections(void) { return all; }

static void release(struct source *source)
{
	struct connection *connection = (struct connection *)source;
	close(connection->source.fd);
	buffer_free(&connection->in);
	buffer_free(&connection->out);
	free(connection);
}

void connection_close(struct connection *connection)
{
	if (connection->closed)
		return;
	connection->closed = true;
	if (connection->on_close)
		connection->on_close(connection);
	for (struct connection **link = &all; *link; link = &(*link)->next)
		if (*link == connection) {
			*link = connection->next;
			break;
		}
	count--;
	shutdown(connection->source.fd, SHUT_RDWR);
	loop_forget(&connection->source);
}

static void listen_for(struct connection *connection)
{
	/* EPOLLHUP: also while nothing is read a client that has gone must be noticed. */
	uint32_t events = EPOLLHUP | (connection->paused ? 0 : EPOLLIN) | (buffer_used(&connection->out) ? EPOLLOUT : 0);
	if (loop_watch(&connection->source, events))
		connection_close(connection);
}

void connection_pause(struct connection *connection, bool paused)
{
	if (connection->closed || connection->paused == paused)
		return;
	connection->paused = paused;
	listen_for(connection);
}

void connection_flush(struct connection *connection)
{
	if (connection->closed)
		return;
	while (buffer_used(&connection->out)) {
		ssize_t sent = send(connection->source.fd, buffer_head(&connection->out), buffer_used(&connection->out),
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return connection_close(connection);
		if (sent < 0)
			break;
		buffer_take(&connection->out, (size_t)sent);
	}
	if (buffer_used(&connection->out) > CONNECTION_QUEUE_LIMIT)
		return connection_close(connection);
	if (connection->end_after_flush && buffer_used(&connection->out) == 0) {
		connection->end_after_flush = false;
		shutdown(connection->source.fd, SHUT_WR);
	}
	listen_for(connection);
}

void connection_end_output(struct connection *connection)
{
	connection->end_after_flush = true;
	connection_flush(connection);
}

static void handle_input(struct connection *connection)
{
	while (!connection->closed && !connection->paused && buffer_used(&connection->in)) {
		if (connection->on_raw) {
			size_t taken = connection->on_raw(connection, buffer_head(&connection->in),
							  buffer_used(&connection->in));
			buffer_take(&connection->in, taken);
			if (taken == 0)
				return;
			continue;
		}
		struct frame frame;
		size_t size;
		int whole = frame_parse(buffer_head(&connection->in), buffer_used(&connection->in), &frame, &size);
		if (whole < 0)
			return connection_close(connection);
		if (whole == 0)
			return;
		handler(connection, &frame);
		buffer_take(&connection->in, size);
	}
}

void connection_resume(struct connection *connection)
{
	if (!connection->closed && !connection->paused)
		handle_input(connection);
}

static void readable(struct connection *connection)
{
	if (buffer_reserve(&connection->in, READ_CHUNK))
		return connection_close(connection);
	ssize_t got = recv(connection->source.fd, connection->in.data + connection->in.end,
			   connection->in.size - connection->in.end, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 0 && connection->on_raw_end) {
		connection->on_raw_end(connection);
		return connection_pause(connection, true);
	}
	if (got <= 0)
		return connection_close(connection);
	connection->in.end += (size_t)got;
	handle_input(connection);
	if (!connection->closed && buffer_used(&connection->in) == 0)
		buffer_take(&connection->in, 0);
}

static void ready(struct source *source, uint32_t events)
{
	struct connection *connection = (struct connection *)source;
	if (events & EPOLLOUT) {
		connection_flush(connection);
		if (!connection->closed && connection->on_drain)
			connection->on_drain(connection);
	}
	if (!connection->closed && (events & EPOLLIN) && !connection->paused)
		readable(connection);
	else if (!connection->closed && (events & (EPOLLHUP | EPOLLERR)))
		connection_close(connection);
	/* Whole frames that were read while it was paused. */
	if (!connection->closed && !connection->paused)
		handle_input(connection);
}

static void on_listen_again(struct timer *timer)
{
	if (loop_watch(&listening, EPOLLIN))
		timer_set(timer, ACCEPT_PAUSE_MS);
}

static struct timer listen_again = { .fire = on_listen_again };

static struct connection *add(int fd)
{
	struct connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return NULL;
	connection->source = (struct source){ .fd = fd, .ready = ready, .release = release };
	connection->next = all;
	all = connection;
	count++;
	return connection;
}

static void accept_client(struct source *source, uint32_t events)
{
	(void)events;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* Without descriptors or memory whoever knocks waits; asking the kernel again at once would only burn time. */
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR && loop_watch(&listening, 0) == 0)
			timer_set(&listen_again, ACCEPT_PAUSE_MS);
		return;
	}
	struct ucred peer;
	socklen_t length = sizeof peer;
	struct connection *connection = NULL;
	if (count < CONNECTIONS_LIMIT && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	    (peer.uid == geteuid() || !defended("callers-of-own-user")))
		connection = add(fd);
	if (connection)
		listen_for(connection);
	else
		close(fd);
}

int serve(int listener, handle_frame *handle)
{
	handler = handle;
	listening = (struct source){ .fd = listener, .ready = accept_client };
	return loop_watch(&listening, EPOLLIN);
}

struct connection *connection_of(int fd)
{
	struct connection *connection = all;
	while (connection && connection->source.fd != fd)
		connection = connection->next;
	return connection;
}

void connections_hand_over(struct writer *w, const struct connection *current, size_t done)
{
	put_descriptor(w, HANDOVER_LISTENER, listening.fd);
	for (struct connection *connection = all; connection; connection = connection->next) {
		size_t skip = connection == current ? done : 0;
		size_t nest = nest_begin(w, HANDOVER_CONNECTION);
		put_descriptor(w, HANDOVER_DESCRIPTOR, connection->source.fd);
		put_bytes(w, HANDOVER_IN, buffer_head(&connection->in) + skip, buffer_used(&connection->in) - skip);
		put_bytes(w, HANDOVER_OUT, buffer_head(&connection->out), buffer_used(&connection->out));
		put_number(w, HANDOVER_FLAGS,
			   connection->paused * PAUSED | connection->watching * WATCHING | connection->end_after_flush * ENDING);
		nest_end(w, nest);
	}
}

static int take_bytes(const struct tlv *from, uint16_t kind, struct buffer *to)
{
	struct tlv bytes;
	return tlv_find(from->value, from->length, kind, &bytes) ? buffer_append(to, bytes.value, bytes.length) : 0;
}

static int take_over(const struct tlv *from)
{
	uint64_t flags = tlv_number(from->value, from->length, HANDOVER_FLAGS, 0);
	struct connection *connection = add(take_descriptor(from->value, from->length, HANDOVER_DESCRIPTOR));
	if (!connection || take_bytes(from, HANDOVER_IN, &connection->in) || take_bytes(from, HANDOVER_OUT, &connection->out))
		return -1;
	connection->paused = flags & PAUSED;
	connection->watching = flags & WATCHING;
	connection->end_after_flush = flags & ENDING;
	listen_for(connection);
	return 0;
}

int connections_take_over(const uint8_t *state, size_t length, handle_frame *handle)
{
	if (take_each(state, length, HANDOVER_CONNECTION, take_over))
		return -1;
	return serve(take_descriptor(state, length, HANDOVER_LISTENER), handle);
}

void reply_ok(struct connection *connection, uint32_t id)
{
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, id);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

void reply_hello(struct connection *connection, uint32_t id, int program)
{
	struct writer w;
	frame_begin(&w, &connection->out, OP_OK, id);
	put_text(&w, TAG_VERSION, VERSION);
	put_number(&w, TAG_PID, (uint64_t)getpid());
	if (program >= 0)
		put_number(&w, TAG_PROGRAM, (uint64_t)program);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}

void reply_failure(struct connection *connection, uint32_t id, const struct failure *failure)
{
	struct writer w;
	frame_begin(&w, &connection->out, OP_ERROR, id);
	put_number(&w, TAG_ERRNO, (uint64_t)failure->error);
	put_text(&w, TAG_STEP, failure->step);
	put_text(&w, TAG_DETAIL, failure->detail);
	if (frame_end(&w))
		return connection_close(connection);
	connection_flush(connection);
}
