#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "defence.h"
#include "kernel.h"

/* Says the new program of a state it understands: no other program ends so by chance. */
#define UNDERSTOOD 97
#define CHECK_MS 2000
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void put_descriptor(struct writer *w, uint16_t kind, int fd)
{
	if (fd < 0)
		return;
	put_number(w, kind, (uint64_t)fd);
	if (fcntl(fd, F_SETFD, 0))
		w->failed = true;
}

int take_descriptor(const uint8_t *payload, size_t length, uint16_t kind)
{
	return (int)(int64_t)tlv_number(payload, length, kind, (uint64_t)-1);
}

int handover_file(const char *name, const void *data, size_t length)
{
	int file = memfd_create(name, MFD_CLOEXEC);
	if (file >= 0 && write(file, data, length) != (ssize_t)length) {
		int error = errno;
		close(file);
		errno = error;
		return -1;
	}
	return file;
}

int take_each(const uint8_t *state, size_t length, uint16_t kind, int (*take)(const struct tlv *item))
{
	struct tlv item;
	size_t offset = 0;
	while (tlv_next(state, length, &offset, &item) == 1)
		if (item.tag == kind && take(&item))
			return -1;
	return 0;
}

bool handover_read(int file, struct tlv *state)
{
	struct stat about;
	if (fstat(file, &about) || about.st_size <= 0 || about.st_size > UINT32_MAX)
		return false;
	void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (data == MAP_FAILED)
		return false;
	*state = (struct tlv){ .value = data, .length = (uint32_t)about.st_size };
	return tlv_valid(state->value, state->length) &&
	       tlv_number(state->value, state->length, HANDOVER_FORMAT, 0) == HANDOVER_VERSION;
}

int handover_check(void)
{
	struct tlv state;
	return handover_read(3, &state) ? UNDERSTOOD : 1;
}

static int close_on_exec(unsigned from) { return (int)syscall(SYS_close_range, from, ~0U, CLOSE_RANGE_CLOEXEC); }

static _Noreturn void run_check(int program, int state)
{
	char *const arguments[] = { "gantry-monitor", HANDOVER_CHECK, NULL };
	/* Nothing of ours but the state, which must not have the program's number. */
	int high_program = fcntl(program, F_DUPFD_CLOEXEC, 16), high_state = fcntl(state, F_DUPFD_CLOEXEC, 16);
	if (dup2(high_state, 3) == 3 && close_on_exec(4) == 0)
		fexecve(high_program, arguments, MONITOR_ENVIRONMENT);
	_exit(126);
}

/* The pod stands still meanwhile: some milliseconds. */
static int check(int program, int state, struct failure *failure)
{
	int pidfd = -1, status = 0;
	pid_t pid = fork_watched(0, &pidfd);
	if (pid == 0)
		run_check(program, state);
	if (pid < 0)
		return fail(failure, "check program", NULL);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	if (poll(&ended, 1, CHECK_MS) != 1)
		kill(pid, SIGKILL);
	close(pidfd);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == UNDERSTOOD)
		return 0;
	return fail_with(failure, ENOEXEC, "check program", "it cannot go on from this one's state");
}

void handover_become(const char *path, int state, char *const arguments[4], struct failure *failure)
{
	int program = open(path, O_RDONLY | O_CLOEXEC);
	int seals = program < 0 ? -1 : fcntl(program, F_GET_SEALS);
	char number[16];
	if (program < 0) {
		fail(failure, "open program", path);
	} else if (seals < 0 || (seals & SEALS) != SEALS) {
		fail_with(failure, EPERM, "open program", "it is not sealed");
	} else if (check(program, state, failure) == 0) {
		snprintf(number, sizeof number, "%d", state);
		char *const all[] = { arguments[0], arguments[1], arguments[2], arguments[3], number, NULL };
		if (fcntl(state, F_SETFD, 0) == 0)
			fexecve(program, all, MONITOR_ENVIRONMENT);
		fail(failure, "execute program", path);
	}
	/* As they were. */
	if (close_on_exec(3))
		abort();
	if (program >= 0)
		close(program);
}
