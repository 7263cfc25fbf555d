#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"

#define QUEUE_LIMIT ((size_t)256 << 10)
#define CHUNK 16384

/* HANDOVER_FLAGS */
#define BLOCKED 1
#define FROM_ENDED 2
#define TO_ENDED 4

struct relay {
	struct source source; /* the TCP side; first: the loop casts */
	struct connection *connection;
	uint32_t id;
	bool connecting;
	bool to_tcp_blocked;
	bool from_tcp_ended;
	bool to_tcp_ended;
};

static void release(struct source *source) { free(source); }

static void hang_up(struct relay *relay)
{
	if (relay->source.fd < 0)
		return;
	int fd = relay->source.fd;
	loop_forget(&relay->source);
	close(fd);
	relay->source.fd = -1;
}

static void on_close(struct connection *connection)
{
	hang_up(connection->session);
	connection->session = NULL;
}

static void listen_for(struct relay *relay)
{
	bool full = buffer_used(&relay->connection->out) > QUEUE_LIMIT;
	uint32_t events = (relay->from_tcp_ended || full ? 0 : EPOLLIN) | (relay->to_tcp_blocked ? EPOLLOUT : 0);
	if (loop_watch(&relay->source, events))
		connection_close(relay->connection);
}

static void finish_when_done(struct relay *relay)
{
	if (relay->from_tcp_ended && relay->to_tcp_ended && buffer_used(&relay->connection->out) == 0)
		connection_close(relay->connection);
}

static size_t on_raw(struct connection *connection, const uint8_t *data, size_t length)
{
	struct relay *relay = connection->session;
	ssize_t sent = send(relay->source.fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent >= 0)
		return (size_t)sent;
	if (errno == EAGAIN || errno == EINTR) {
		relay->to_tcp_blocked = true;
		connection_pause(connection, true);
		listen_for(relay);
		return 0;
	}
	connection_close(connection);
	return length;
}

static void on_raw_end(struct connection *connection)
{
	struct relay *relay = connection->session;
	relay->to_tcp_ended = true;
	shutdown(relay->source.fd, SHUT_WR);
	finish_when_done(relay);
}

static void on_drain(struct connection *connection)
{
	struct relay *relay = connection->session;
	if (!relay || relay->connecting)
		return;
	listen_for(relay);
	if (!connection->closed)
		finish_when_done(relay);
}

static void read_tcp(struct relay *relay)
{
	struct connection *connection = relay->connection;
	static uint8_t chunk[CHUNK];
	ssize_t got = recv(relay->source.fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0 || (got > 0 && buffer_append(&connection->out, chunk, (size_t)got)))
		return connection_close(connection);
	if (got == 0) {
		relay->from_tcp_ended = true;
		connection_end_output(connection);
	} else {
		connection_flush(connection);
	}
	if (connection->closed)
		return;
	listen_for(relay);
	if (!connection->closed)
		finish_when_done(relay);
}

static void connected(struct relay *relay)
{
	struct connection *connection = relay->connection;
	int error = 0;
	socklen_t length = sizeof error;
	relay->connecting = false;
	getsockopt(relay->source.fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		struct failure failure = { 0 };
		fail_with(&failure, error, "connect", "loopback of the pod");
		hang_up(relay);
		connection->session = NULL;
		connection->on_close = NULL;
		connection->on_drain = NULL;
		connection_pause(connection, false);
		return reply_failure(connection, relay->id, &failure);
	}
	connection->on_raw = on_raw;
	connection->on_raw_end = on_raw_end;
	reply_ok(connection, relay->id);
	if (connection->closed)
		return;
	connection_pause(connection, false);
	listen_for(relay);
}

static void ready(struct source *source, uint32_t events)
{
	struct relay *relay = (struct relay *)source;
	if (relay->connecting)
		return connected(relay);
	if (events & EPOLLOUT) {
		relay->to_tcp_blocked = false;
		connection_pause(relay->connection, false);
		connection_resume(relay->connection);
		if (relay->source.fd < 0)
			return;
		listen_for(relay);
	}
	if (relay->source.fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_tcp(relay);
}

static int start(struct relay *relay, uint16_t port, struct failure *failure)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	relay->source.fd = fd;
	if (fd < 0 || (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) ||
	    loop_watch(&relay->source, EPOLLOUT)) {
		char detail[32];
		snprintf(detail, sizeof detail, "127.0.0.1:%u", port);
		return fail(failure, "connect", detail);
	}
	return 0;
}

static void join(struct relay *relay, struct connection *connection)
{
	connection->session = relay;
	connection->on_close = on_close;
	connection->on_drain = on_drain;
}

void dial(struct connection *connection, const struct frame *frame)
{
	struct failure failure = { 0 };
	struct relay *relay = connection->session ? NULL : calloc(1, sizeof *relay);
	if (!relay) {
		fail_with(&failure, connection->session ? EBUSY : ENOMEM, "connect", NULL);
		return reply_failure(connection, frame->id, &failure);
	}
	*relay = (struct relay){
		.source = { .fd = -1, .ready = ready, .release = release },
		.connection = connection,
		.id = frame->id,
		.connecting = true,
	};
	if (start(relay, (uint16_t)tlv_number(frame->payload, frame->length, TAG_PORT, 0), &failure)) {
		if (relay->source.fd >= 0)
			hang_up(relay);
		else
			free(relay);
		return reply_failure(connection, frame->id, &failure);
	}
	join(relay, connection);
	/* Bytes that follow the request wait until there is somewhere to put them. */
	connection_pause(connection, true);
}

static struct relay *relay_of(const struct connection *connection)
{
	return connection->on_close == on_close ? connection->session : NULL;
}

bool relays_settled(void)
{
	for (const struct connection *connection = connections(); connection; connection = connection->next)
		if (relay_of(connection) && relay_of(connection)->connecting)
			return false;
	return true;
}

void relays_hand_over(struct writer *w)
{
	for (const struct connection *connection = connections(); connection; connection = connection->next) {
		const struct relay *relay = relay_of(connection);
		if (!relay)
			continue;
		size_t nest = nest_begin(w, HANDOVER_RELAY);
		put_number(w, HANDOVER_PEER, (uint64_t)connection->source.fd);
		put_descriptor(w, HANDOVER_DESCRIPTOR, relay->source.fd);
		put_number(w, HANDOVER_FLAGS, relay->to_tcp_blocked * BLOCKED | relay->from_tcp_ended * FROM_ENDED |
						      relay->to_tcp_ended * TO_ENDED);
		nest_end(w, nest);
	}
}

static int take_over(const struct tlv *from)
{
	struct connection *connection = connection_of(take_descriptor(from->value, from->length, HANDOVER_PEER));
	struct relay *relay = connection ? calloc(1, sizeof *relay) : NULL;
	if (!relay)
		return -1;
	uint64_t flags = tlv_number(from->value, from->length, HANDOVER_FLAGS, 0);
	*relay = (struct relay){
		.source = { .fd = take_descriptor(from->value, from->length, HANDOVER_DESCRIPTOR), .ready = ready, .release = release },
		.connection = connection,
		.to_tcp_blocked = flags & BLOCKED,
		.from_tcp_ended = flags & FROM_ENDED,
		.to_tcp_ended = flags & TO_ENDED,
	};
	join(relay, connection);
	connection->on_raw = on_raw;
	connection->on_raw_end = on_raw_end;
	listen_for(relay);
	return 0;
}

int relays_take_over(const uint8_t *state, size_t length)
{
	return take_each(state, length, HANDOVER_RELAY, take_over);
}
