/* Writing to the kernel's own files in /proc, and to nothing that somebody has put in their place. */
#pragma once

/* Writes all of `value` to `path`, which begins with /proc/; -1 with errno, EXDEV when it is not the kernel's file. */
int procfs_write(const char *path, const char *value);
