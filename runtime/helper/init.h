/*
 * An init for containers whose program does not expect to be process 1: reaps whatever is orphaned, hands signals on, and
 * ends as the program ends. It is this same program, executed with the container's root, user, rights and filter.
 */
#pragma once

#define INIT_NAME "gantry-init"
/* Where it finds the socket on which it reports a program that cannot be executed. */
#define INIT_STATUS 3

/* `arguments`: the program and its arguments. */
int init_run(char **arguments);
