#include "pty.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <termios.h>

#include "defence.h"
#include "kernel.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int pty_open(int root, struct pty *pty, struct failure *failure)
{
	uint64_t links = defended("real-terminal") ? RESOLVE_NO_SYMLINKS : 0;
	pty->master = openat2_(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, RESOLVE_IN_ROOT | links);
	struct statfs about;
	if (pty->master < 0)
		return fail(failure, "open terminal", "/dev/pts/ptmx");
	int unlocked = 0;
	/* Something else may lie there: a container must not make us open a file of its choice as a terminal. */
	if (fstatfs(pty->master, &about) || about.f_type != DEVPTS_SUPER_MAGIC)
		fail_with(failure, ENODEV, "open terminal", "/dev/pts is no devpts");
	else if (ioctl(pty->master, TIOCSPTLCK, &unlocked) ||
		 (pty->slave = ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		fail(failure, "open terminal", "slave");
	else
		return 0;
	close(pty->master);
	pty->master = -1;
	return -1;
}

int pty_assume(const struct pty *pty, struct failure *failure)
{
	if (ioctl(pty->slave, TIOCSCTTY, 0) || dup2(pty->slave, 0) < 0 || dup2(pty->slave, 1) < 0 || dup2(pty->slave, 2) < 0)
		return fail(failure, "set terminal", NULL);
	return 0;
}

void pty_resize(int master, unsigned columns, unsigned rows)
{
	struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };
	ioctl(master, TIOCSWINSZ, &size); /* a terminal that is gone needs no size */
}
