/* A client of helper or monitor: frames in, frames out, bounded both ways. */
#pragma once

#include "frame.h"
#include "loop.h"

/* Output waiting for a slow client; beyond it the client is hung up on. */
#define CONNECTION_QUEUE_LIMIT ((size_t)20 << 20)

struct connection {
	struct source source;
	struct buffer in;
	struct buffer out;
	bool closed;
	bool paused; /* reading is suspended: what it feeds is full */
	/* What the connection is for, once it is an exec, attach or dial. */
	void *session;
	void (*on_close)(struct connection *connection);
	void (*on_drain)(struct connection *connection); /* output has been sent */
	/* Raw bytes instead of frames (dial): what was read; return how much was taken. */
	size_t (*on_raw)(struct connection *connection, const uint8_t *data, size_t length);
	void (*on_raw_end)(struct connection *connection);
	bool end_after_flush; /* no more output will come: say so once all is sent */
	struct connection *next;
	bool watching;
};

/* Handles one frame; the frame's memory is gone after it returns. */
typedef void handle_frame(struct connection *connection, const struct frame *frame);

/* Serves clients of our own uid on `listener`. */
int serve(int listener, handle_frame *handle);
struct connection *connections(void);
struct connection *connection_of(int fd);

/* Sends what is queued in `out`, now or when the socket takes it. */
void connection_flush(struct connection *connection);
void connection_pause(struct connection *connection, bool paused);
/* Handles what was read before a pause; call after unpausing outside of the connection's own events. */
void connection_resume(struct connection *connection);
/* Says that no more output comes, once what is queued has been sent. */
void connection_end_output(struct connection *connection);
void connection_close(struct connection *connection);

/* All of them and the listener, for the program that takes our place; `done` bytes of `current`'s input are handled. */
void connections_hand_over(struct writer *w, const struct connection *current, size_t done);
/* Serves them again; frames wait until connection_resume. */
int connections_take_over(const uint8_t *state, size_t length, handle_frame *handle);

void reply_ok(struct connection *connection, uint32_t id);
/* Version and pid of this program; the descriptor (-1: none) of the one it starts. */
void reply_hello(struct connection *connection, uint32_t id, int program);
void reply_failure(struct connection *connection, uint32_t id, const struct failure *failure);
