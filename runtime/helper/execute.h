/* The last step: argv, environment, looking the program up as a shell would, execve. */
#pragma once

#include "spawn.h"

/*
 * Returns only when the program cannot be executed: step "exec", detail = argv[0], ENOENT, EACCES, ENOEXEC, ... With `init`,
 * a descriptor of our own program, that is executed instead, as INIT_NAME with the program as its arguments (init.h).
 */
int execute(const struct spawn *spawn, int init, struct failure *failure);
int execute_program(char **arguments, char **environment, struct failure *failure);
