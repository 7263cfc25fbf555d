/* Sends one Ethernet frame out of a link. Knows nothing of what is in it. */
#pragma once

#include <stddef.h>

#include "failure.h"

int packet_send(int link, const void *frame, size_t length, struct failure *failure);
