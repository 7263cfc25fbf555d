/* Unix sockets in a private directory. */
#pragma once

#include "failure.h"

/*
 * Listens on `name` in the directory `directory_fd`, replacing a dead socket of that name. Works for directories whose
 * path is longer than sun_path: the address is given relative to the working directory, which is restored.
 */
int listen_in(int directory_fd, const char *name, struct failure *failure);
