/*
 * What a monitor hands to the program that takes its place by execve: a version, and TLVs of the kinds below. Descriptors
 * stay open at their numbers, by which connections are also told apart. Nothing here goes over a socket.
 */
#pragma once

#include <stdbool.h>

#include "frame.h"

/* Goes up whenever the program before could not read the state; a test builds one of another version. */
#ifndef HANDOVER_VERSION
#define HANDOVER_VERSION 1
#endif
/* Argument with which a program says whether it can go on from the state at descriptor 3. */
#define HANDOVER_CHECK "--check"

enum handover {
	HANDOVER_FORMAT = 1, /* HANDOVER_VERSION, first */
	HANDOVER_SANDBOX,    /* payload of OP_SANDBOX */
	HANDOVER_LISTENER,
	HANDOVER_INIT, /* of shared pids; its HANDOVER_PID beside it */
	HANDOVER_CONNECTION,
	HANDOVER_CONTAINER,
	HANDOVER_SESSION,
	HANDOVER_RELAY,
	HANDOVER_REQUEST, /* to be answered by the successor: HANDOVER_PEER, HANDOVER_ID */
	/* in those */
	HANDOVER_DESCRIPTOR,
	HANDOVER_PEER, /* a connection, by its descriptor */
	HANDOVER_ID,
	HANDOVER_FLAGS,
	HANDOVER_IN,
	HANDOVER_OUT,
	HANDOVER_PROCESS,
	HANDOVER_PID,
	HANDOVER_PIDFD,
	HANDOVER_STDOUT,
	HANDOVER_STDERR,
	HANDOVER_STDIN,
	HANDOVER_TERMINAL,
	HANDOVER_STATUS,
	HANDOVER_SPEC,
	HANDOVER_STATE,
	HANDOVER_LOG,
	HANDOVER_PARTIAL_STDOUT,
	HANDOVER_PARTIAL_STDERR,
	HANDOVER_STARTED,
	HANDOVER_FINISHED,
	HANDOVER_CODE,
	HANDOVER_SIGNAL,
	HANDOVER_REASON,
	HANDOVER_GRACE,
	HANDOVER_WAITER,
	HANDOVER_NODE_MOUNTS, /* the mount namespace that the monitor was started in */
};

/* A descriptor that is to stay open (-1: none): no longer closed on exec. */
void put_descriptor(struct writer *w, uint16_t kind, int fd);
/* -1 when there is none. */
int take_descriptor(const uint8_t *payload, size_t length, uint16_t kind);

/* For each TLV of that kind, until one cannot be taken: -1. */
int take_each(const uint8_t *state, size_t length, uint16_t kind, int (*take)(const struct tlv *item));

/* What another program of ours is to read, in a file without a place; -1 with errno. */
int handover_file(const char *name, const void *data, size_t length);
/* All of it, and whether this program can go on from it. */
bool handover_read(int file, struct tlv *state);
/*
 * Lets `program` (a sealed memory file) say whether it can go on from `state`, and becomes it when it can: returns only
 * when it cannot, or could not be executed. `arguments`: of this program, whose fourth will be the state's descriptor.
 */
void handover_become(const char *program, int state, char *const arguments[4], struct failure *failure);
/* For the new program: whether it can go on from the state at descriptor 3. */
int handover_check(void);
