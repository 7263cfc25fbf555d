/* Carries raw netlink batches to the kernel of any network namespace. Knows nothing of what is in them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "failure.h"

/* Remembers the namespace the helper lives in; call once. */
int netlink_init(struct failure *failure);

/*
 * Sends `request` (whole netlink messages) in the namespace at `path` (NULL: our own) and appends everything the kernel
 * answers to `reply`. The socket of our own namespace stays open (closing one after a delete waits for RCU); sockets in
 * other namespaces are closed at once, for an open one would keep a dead pod's namespace alive.
 */
int netlink_exchange(const char *path, int protocol, const void *request, size_t length, struct buffer *reply,
		     struct failure *failure);
