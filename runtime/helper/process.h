/* A process of a container, from its start to the last byte of its output: what first processes and execs share. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "log.h"
#include "loop.h"
#include "spawn.h"

struct process;

struct pump {
	struct source source;
	struct process *process;
	enum log_stream stream;
};

struct process {
	struct process *next;
	pid_t pid;
	int pidfd;
	struct source status;
	struct pump output[2];
	int input;    /* write end of stdin, or a copy of the terminal; -1 = none */
	int terminal; /* master; -1 = none */
	bool wants_input;
	bool starting;
	bool entered; /* an exec, in the container's pid namespace */
	bool launched; /* through an OCI runtime: always another process than the one started */
	bool failed;
	bool reaped;
	bool paused;
	int wait_status;
	/* Executed (failure NULL) or not. Once. */
	void (*on_start)(struct process *process, const struct failure *failure);
	void (*on_output)(struct process *process, enum log_stream stream, const char *data, size_t length);
	/* Reaped and all output delivered. Once, last. */
	void (*on_end)(struct process *process);
};

/* Holds nothing yet; first of all. */
void process_init(struct process *process);
/* Fills in the stdio of `spawn` and starts. The callbacks and wants_input are the caller's to set before. */
int process_start(struct process *process, struct spawn *spawn, struct failure *failure);
/* Stops and goes on reading output: its receiver is full. */
void process_pause(struct process *process, bool paused);
void process_close_input(struct process *process);
void process_signal(struct process *process, int signal);
/* Reaps every child that has ended. */
void process_reap(void);
/* False while it starts or has failed to: a moment later it can be handed over. */
bool process_settled(const struct process *process);
void process_hand_over(struct writer *w, const struct process *process);
/* Into a process that process_init has made and whose callbacks are set. */
void process_take_over(struct process *process, const uint8_t *payload, size_t length);
/* Lets go of descriptors; after on_end. */
void process_release(struct process *process);
