/* The containers of this monitor's pod: started, stopped, recorded, announced, forgotten. */
#pragma once

#include "connection.h"
#include "process.h"

#define CONTAINER_ID_MAX 129

enum container_state { CONTAINER_STARTING, CONTAINER_RUNNING, CONTAINER_EXITED };

struct session;

struct waiter {
	struct waiter *next;
	struct connection *connection;
	uint32_t id;
	bool remove; /* forget the container once it has exited */
};

struct container {
	struct process process; /* first: callbacks cast */
	struct container *next;
	char id[CONTAINER_ID_MAX];
	uint8_t *spec; /* payload of OP_START */
	size_t spec_length;
	enum container_state state;
	struct log log;
	uint64_t started_ms, finished_ms;
	int code, signal;
	const char *reason;
	struct waiter *waiters;
	struct waiter starter;
	struct failure failure; /* why it could not run */
	struct timer grace;
	struct session *attached;
	struct source tomb;
};

struct container *container_find(const uint8_t *payload, size_t length);
struct container *containers(void);
/* The pid namespace shared by all containers of the pod; -1 = each has its own, or the node's. */
void container_share_pids(int pidfd);
int container_pid_namespace(const struct container *container);

void container_start(struct connection *connection, const struct frame *frame);
void container_stop(struct connection *connection, const struct frame *frame);
void container_remove(struct connection *connection, const struct frame *frame);
/* Goes on in a new log file: the old one has been moved away. */
void container_reopen_log(struct connection *connection, const struct frame *frame);
/* Kills all; calls `done` when none is left running. */
void container_end_all(void (*done)(void));
/* The connection is going: no answer to it any more. */
void container_forget_connection(struct connection *connection);

/* False while one starts. */
bool containers_settled(void);
void containers_hand_over(struct writer *w);
int containers_take_over(const uint8_t *state, size_t length);

void put_container(struct writer *w, const struct container *container);
void put_exit(struct writer *w, const struct container *container);
