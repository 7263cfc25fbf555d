/* The last step: argv, environment, looking the program up as a shell would, execve. */
#pragma once

#include "spawn.h"

/* Returns only when the program cannot be executed: step "exec", detail = argv[0], ENOENT, EACCES, ENOEXEC, ... */
int execute(const struct spawn *spawn, struct failure *failure);
