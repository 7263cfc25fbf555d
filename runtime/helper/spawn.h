/* Starts processes of containers: the first one (with its namespaces and root) and those that exec adds. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"
#include "frame.h"

struct spawn {
	/* Payload of OP_START: what the container is. */
	const uint8_t *container;
	size_t container_length;
	/* Payload of OP_EXEC, or NULL for the first process. */
	const uint8_t *exec;
	size_t exec_length;
	/* exec: the container's first process. */
	int init_pidfd;
	/* The pid namespace children go to, when it is not one of their own; -1 = the node's. */
	int pid_namespace_of; /* pidfd */
	/* The child's ends; -1: /dev/null of the container. Unused with a terminal. */
	int stdio[3];
	bool tty;
};

/* Remembers our own pid namespace; once. */
int spawn_init(struct failure *failure);

/*
 * Clones the child, which goes on alone. It reports on `*status` (a socket): a struct failure when it cannot run, the
 * terminal's master (SCM_RIGHTS) when it has one, and end of file once the program is executed.
 */
pid_t spawn_process(const struct spawn *spawn, int *pidfd, int *status, struct failure *failure);

/* Reads one report: 1 = a terminal in `*terminal`, 0 = executed, -1 = failed as told in `failure`, -2 = nothing yet. */
int spawn_report(int status, int *terminal, struct failure *failure);
