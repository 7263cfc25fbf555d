/* Control groups, version 1 or 2 alike: TypeScript says which directories and files, this does it. */
#pragma once

#include <stdbool.h>

#include "failure.h"
#include "frame.h"

/*
 * A TAG_CGROUP payload, in order: TAG_PATH = a directory to make with its parents, TAG_WRITE { TAG_PATH, TAG_VALUE } = a
 * file to write, TAG_DEVICE_PROGRAM { TAG_PATH, TAG_DATA } = a BPF program that judges the use of devices in a directory.
 * Others are for attach, kill and remove below.
 */
int cgroup_make(const struct tlv *cgroup, struct failure *failure);
/* Moves the calling process: writes "0" to every TAG_SOURCE (a cgroup.procs file). */
int cgroup_attach(const struct tlv *cgroup, struct failure *failure);
/* The directory of TAG_INTO, for CLONE_INTO_CGROUP; -1 with `failure` clear when there is none. */
int cgroup_into(const struct tlv *cgroup, struct failure *failure);
/* Kills everything in and below each TAG_TARGET. Safe against fork bombs; bounded. */
void cgroup_kill(const struct tlv *cgroup);
/* Removes the directories of TAG_KEEP and all below them. Kill first. False when one is still there. */
bool cgroup_remove(const struct tlv *cgroup);
/* oom_kill of TAG_OOM_FILE: memory.oom_control (v1) or memory.events (v2). */
unsigned long cgroup_oom_kills(const struct tlv *cgroup);

int write_file(const char *path, const char *value);
