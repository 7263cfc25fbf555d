/* Who a process is and what it may do: user, groups, capabilities, keyring, seccomp, limits. */
#pragma once

#include <sys/types.h>

#include "failure.h"
#include "frame.h"

struct identity {
	/* Payload of OP_START. */
	const uint8_t *container;
	size_t container_length;
	/* Payload of OP_EXEC, or NULL. */
	const uint8_t *exec;
	size_t exec_length;
	/* exec: pid of the container's first process, else 0. */
	pid_t first;
};

/* Resource limits and OOM score, while still privileged and with the node's /proc in sight. */
int identity_limits(const uint8_t *container, size_t length, struct failure *failure);
/* Makes and opens files as that user and group, with all capabilities kept. */
int identity_act_as(uid_t id, struct failure *failure);
/* Becomes the user, drops all but TAG_CAPABILITIES, installs TAG_SECCOMP. The last thing before execve. */
int identity_assume(const struct identity *who, struct failure *failure);
/* Of TAG_UID and the like: the exec's, where it has its own. */
uint64_t identity_number(const struct identity *who, uint16_t tag);
