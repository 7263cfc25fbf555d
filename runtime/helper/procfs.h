/* Writing to the kernel's own files in /proc, and to nothing that somebody has put in their place. */
#pragma once

#include "failure.h"
#include "frame.h"

/* Writes all of `value` to `path`, which begins with /proc/; -1 with errno, EXDEV when it is not the kernel's file. */
int procfs_write(const char *path, const char *value);
/* Every TLV of that tag: TAG_VALUE to TAG_PATH. */
int procfs_write_all(const uint8_t *payload, size_t length, uint16_t tag, const char *step, struct failure *failure);
