/* Clients of a process's streams: exec (a process of its own) and attach (the container's). One connection each. */
#pragma once

#include "container.h"

void session_exec(struct connection *connection, const struct frame *frame);
void session_attach(struct connection *connection, const struct frame *frame);
/* STDIN, STDIN_END, RESIZE and SIGNAL of the client. */
bool sessions_settled(void);
void sessions_hand_over(struct writer *w);
/* After connections and containers. */
int sessions_take_over(const uint8_t *state, size_t length);
void session_frame(struct connection *connection, const struct frame *frame);

/* Output of the container to all who are attached. */
void session_output(struct container *container, enum log_stream stream, const char *data, size_t length);
/* The container has exited: says so to the attached and kills what was exec'd. */
void session_end_all(struct container *container);
/* The container is being forgotten. */
void session_detach_all(struct container *container);
