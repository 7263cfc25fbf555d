/* Open files passed from process to process with a message, by SCM_RIGHTS. Source: unix(7). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define DESCRIPTORS_MAX 2

/* As send(2), with `count` descriptors, and never SIGPIPE. */
ssize_t descriptors_send(int socket, const int *fds, size_t count, const void *data, size_t length, int flags);
/* As recv(2); all of `fds` are -1 when no, or other than `count`, descriptors came. */
ssize_t descriptors_receive(int socket, int *fds, size_t count, void *data, size_t size, int flags);
