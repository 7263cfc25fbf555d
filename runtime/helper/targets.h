/* Where in a container's root something is mounted or made: descriptors, found inside the root whatever links say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

enum target_kind { TARGET_DIRECTORY, TARGET_FILE };

/* openat2 of `path` inside `root`; -1 with errno. */
int open_inside(int root, const char *path, uint64_t flags);
/* An O_PATH descriptor of `path` inside `root`, made when missing; never leaves `root`. */
int resolve_target(int root, const char *path, enum target_kind kind, struct failure *failure);
/* The same for what must be what it seems: refused when there is any link on the way. */
int resolve_strictly(int root, const char *path, enum target_kind kind, struct failure *failure);
/*
 * Whether `mount` may come over `onto`: not over the root itself, and not over anything in /proc, where masks and labels
 * would go to what an image or a volume holds instead. But the whole of a /proc may, and with `in_proc` anything.
 */
bool may_cover(int root, int onto, int mount, bool in_proc);
