/* The helper's side of monitors: starting them, and cleaning up behind one that died. */
#pragma once

#include <sys/types.h>

#include "failure.h"
#include "frame.h"

/*
 * Copies the monitor's program into a sealed memory file: no container can ever write to it (CVE-2019-5736). `name` is
 * the run directory's path, which monitors show as an argument.
 */
int monitors_init(int run_directory, const char *name, const char *program, struct failure *failure);
/* The descriptor of that file. */
int monitors_program(void);
/*
 * Starts one for the payload of OP_SANDBOX, or takes a spare of that kind; it listens on TAG_SOURCE in the run directory
 * when this returns.
 */
pid_t monitors_start(const uint8_t *payload, size_t length, struct failure *failure);
/* Soon has TAG_SPARES monitors wait, with their TAG_NAMESPACES made, for the next sandboxes of that kind; others end. */
void monitors_refill(const uint8_t *payload, size_t length);
/* Ends those that wait, and waits until they have gone. */
void monitors_end_spares(void);
/* These groups are gone: a sandbox that has them anew must not be killed at the end of the monitor that had them before. */
void monitors_disown(const struct tlv *cgroup);
/* Watches over one that another helper started: TAG_PID, TAG_CGROUP. */
int monitors_adopt(const uint8_t *payload, size_t length, struct failure *failure);
