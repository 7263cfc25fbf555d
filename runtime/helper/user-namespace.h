/* User namespaces of pods: their ids are nobody's on the node. */
#pragma once

#include "failure.h"

/* A new one. `map`: a line of /proc/PID/uid_map, for users and groups alike. Returns its descriptor. */
int user_namespace_new(const char *map, struct failure *failure);
/* The one that owns the network namespace we are in: the pod's. */
int user_namespace_of_pod(struct failure *failure);
/* Becomes its root, for good: no way leads back. */
int user_namespace_enter(int fd, struct failure *failure);
/* Whether the file system at `path` can be shown with other owners (idmapped): by trying. */
int user_namespace_probe(const char *path, struct failure *failure);
