/* Who answers system calls that a seccomp profile passes on. Source: OCI runtime-spec, "Container Process State". */
#pragma once

#include <sys/types.h>

#include "failure.h"
#include "frame.h"

/* Connects to it, where the container has TAG_LISTENER, while the node's file system and /proc are in sight. */
int listener_connect(const uint8_t *container, size_t length, struct failure *failure);
bool listener_connected(void);
/* We go on as that process of the node. */
void listener_follow(pid_t pid);
/*
 * Hands over the filter's descriptor, with what TAG_LISTENER says of the container: the first thing after the filter is
 * there, since any other call may be one that waits for an answer. `first`: the container's first process; 0 = this one.
 */
int listener_hand_over(const uint8_t *container, size_t length, int filter, pid_t first, struct failure *failure);
