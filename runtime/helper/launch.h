/* Containers through an OCI runtime: a program of the node makes the container's process in our place. */
#pragma once

#include "spawn.h"

/* Whether the payload of OP_START or OP_EXEC names programs (TAG_COMMAND) instead of describing the process itself. */
bool launch_is_wanted(const struct spawn *spawn);

/*
 * In the child of spawn_process. First processes: mounts TAG_ROOT at TAG_PATH and each TAG_STAGE, seen by the programs only.
 * Then runs every TAG_COMMAND (TAG_ARG*, TAG_ENV*) to its end, in the directory TAG_CWD of the container and with the
 * process's stdio. The process they have made, named in TAG_PID_FILE, is reported as ours to have, and so is the terminal
 * that came through the socket TAG_CONSOLE (a name in that directory). Returns -1 with the failure, or does not return.
 */
int launch(const struct spawn *spawn, int status, struct failure *failure);
