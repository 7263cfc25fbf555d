/* TCP connections to the loopback of the pod: the client's connection becomes a plain byte stream. */
#pragma once

#include "connection.h"

void dial(struct connection *connection, const struct frame *frame);
