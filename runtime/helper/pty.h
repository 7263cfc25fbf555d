/* Terminals of containers: from the container's own devpts, so that it finds its tty under /dev/pts. */
#pragma once

#include "failure.h"

struct pty {
	int master;
	int slave;
};

/* Opens a pair in the devpts at dev/pts of `root`. */
int pty_open(int root, struct pty *pty, struct failure *failure);
/* Makes the slave the controlling terminal and stdin, stdout, stderr of this process (a session leader). */
int pty_assume(const struct pty *pty, struct failure *failure);
void pty_resize(int master, unsigned columns, unsigned rows);
