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
	pid_t first;
	/* The pid namespace children go to, when it is not one of their own; -1 = the node's. */
	int pid_namespace_of; /* pidfd */
	/* The child's ends; -1: /dev/null of the container. Unused with a terminal. */
	int stdio[3];
	bool tty;
};

/* Remembers our own pid and mount namespaces, before there are others; once. */
int spawn_init(struct failure *failure);

/*
 * Clones the child, which goes on alone. It reports on `*status` (a socket): a struct failure when it cannot run, the
 * terminal's master (SCM_RIGHTS) when it has one, and end of file once the program is executed.
 */
pid_t spawn_process(const struct spawn *spawn, int *pidfd, int *status, struct failure *failure);


enum spawn_report {
	SPAWN_EXECUTED,
	SPAWN_FAILED,	/* as told in `failure` */
	SPAWN_TERMINAL, /* its master in `fd`; between builders any descriptor */
	SPAWN_ENTERED,	/* goes on as another process of ours: `pid`, with its pidfd in `fd` */
	SPAWN_NOTHING,	/* yet */
};
enum spawn_report spawn_report(int status, pid_t *pid, int *fd, struct failure *failure);
/* From the child: a terminal's master, or (with `pid`) the pidfd of the process that goes on in its place. */
int spawn_send(int status, int fd, pid_t pid, struct failure *failure);
