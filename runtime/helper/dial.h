/* TCP connections to the loopback of the pod: the client's connection becomes a plain byte stream. */
#pragma once

#include "connection.h"

bool relays_settled(void);
void relays_hand_over(struct writer *w);
/* After connections. */
int relays_take_over(const uint8_t *state, size_t length);
void dial(struct connection *connection, const struct frame *frame);
