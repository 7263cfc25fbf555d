/* What the containers of a pod share: namespaces, host name, sysctls, the pod's cgroup. */
#pragma once

#include <sys/types.h>

#include "failure.h"
#include "frame.h"

/* Makes these namespaces (CLONE_NEW* bits) before the sandbox is known; what fails is tried again by sandbox_make. */
void sandbox_prepare(uint64_t namespaces);
/* `payload` as OP_SANDBOX carries it. On failure everything made so far is undone. */
int sandbox_make(const uint8_t *payload, size_t length, struct failure *failure);
/* Kills and removes what is left of it. */
void sandbox_remove(const uint8_t *payload, size_t length);

/*
 * Starts the first process of a pid namespace shared by the pod's containers: it reaps, and holds nothing that a
 * container with CAP_SYS_PTRACE could use. Returns its pidfd.
 */
int sandbox_start_init(const uint8_t *payload, size_t length, struct failure *failure);
/* Its pid; 0 when there is none. */
pid_t sandbox_init_pid(void);
void sandbox_stop_init(void);
void sandbox_hand_over(struct writer *w);
/* Returns the pidfd of its init, -1 when it has none. */
int sandbox_take_over(const uint8_t *state, size_t length);
