/* Who a process is and what it may do: user, groups, capabilities, seccomp, limits. */
#pragma once

#include <sys/types.h>

#include "failure.h"
#include "frame.h"

/* Resource limits and OOM score, while still privileged and with the node's /proc in sight. */
int identity_limits(const uint8_t *container, size_t length, struct failure *failure);
/* Makes and opens files as that user and group, with all capabilities kept. */
int identity_act_as(uid_t id, struct failure *failure);
/* Becomes the user, drops all but TAG_CAPABILITIES, installs TAG_SECCOMP. The last thing before execve. */
int identity_assume(const uint8_t *container, size_t length, struct failure *failure);
