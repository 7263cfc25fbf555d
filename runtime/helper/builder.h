/*
 * The root of a container whose pod has a user namespace. Two build it: a process with the node's rights, which may mount
 * layers and volumes with other owners, and the container's own first process, which alone can mount the /proc of its pid
 * namespace. The mounts come to the container as a copy in a less privileged namespace: it can take none of them apart,
 * nor make a read-only one writable, not even with CAP_SYS_ADMIN (mount_namespaces(7), "Restrictions on mount namespaces").
 */
#pragma once

#include "failure.h"
#include "frame.h"

/* Forks the one with rights; `user` is the pod's user namespace. Returns the channel to it. */
int builder_start(const uint8_t *container, size_t length, int user, struct failure *failure);
/* In the first process, in all its other namespaces: gives its /proc, gets its mounts, and returns their root. */
int builder_finish(const uint8_t *container, size_t length, int channel, struct failure *failure);
