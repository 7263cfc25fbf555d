/* These doubles keep count of files and memory by the real calls. */
#define OUTCOME
#include "effects.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#include "outcome.h"

void *fuzz_calloc(size_t amount, size_t size);
void *fuzz_realloc(void *memory, size_t size);

#define FIRST_FD 1000
#define FDS 4096

/* What execute() leaves to the end of its process. */
struct block {
	struct block *previous, *next;
};
static struct block blocks = { &blocks, &blocks };

static uint64_t state;
static bool opened[FDS];
static int next_fd, count;

static void *link_block(struct block *block)
{
	*block = (struct block){ .previous = &blocks, .next = blocks.next };
	return blocks.next = block->next->previous = block, block + 1;
}

static struct block *unlink_block(void *memory)
{
	struct block *block = (struct block *)memory - 1;
	block->previous->next = block->next;
	block->next->previous = block->previous;
	return block;
}

void *fuzz_calloc(size_t amount, size_t size) { return link_block(calloc(1, sizeof(struct block) + amount * size)); }
void *fuzz_realloc(void *memory, size_t size) { return link_block(realloc(unlink_block(memory), sizeof(struct block) + size)); }

char *fuzz_strndup(const char *text, size_t length)
{
	length = strnlen(text, length);
	return memcpy(fuzz_calloc(1, length + 1), text, length);
}

void outcome_begin(uint64_t seed)
{
	while (blocks.next != &blocks)
		free(unlink_block(blocks.next + 1));
	state = seed | 1;
	memset(opened, 0, sizeof opened);
	next_fd = count = 0;
}

int outcome_open_fds(void) { return count; }

/* xorshift64: one in eight calls fails, so that long paths are reached too. */
static bool lucky(void)
{
	static const int ERRORS[] = { ENOENT, EINVAL, EEXIST, EPERM, EAGAIN, ENOMEM, ENOTDIR, EACCES };
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	errno = ERRORS[state >> 8 & 7];
	return state & 7;
}

static int result(void) { return lucky() ? 0 : -1; }

static int descriptor(void)
{
	if (!lucky())
		return -1;
	if (++count == FDS)
		abort(); /* nobody closes what they open */
	while (opened[next_fd % FDS])
		next_fd++;
	opened[next_fd % FDS] = true;
	return FIRST_FD + next_fd++ % FDS;
}

static void use(const char *text)
{
	if (text && strlen(text) > 1 << 20)
		abort();
}

long fuzz_syscall(long number, ...)
{
	va_list arguments;
	va_start(arguments, number);
	long made;
	switch (number) {
	case SYS_openat2:
	case SYS_fsopen:
	case SYS_fsmount:
	case SYS_open_tree:
		made = descriptor();
		break;
	case SYS_fsconfig:
		va_arg(arguments, int), va_arg(arguments, unsigned);
		use(va_arg(arguments, const char *));
		use(va_arg(arguments, const char *));
		made = result();
		break;
	default:
		made = result();
	}
	va_end(arguments);
	return made;
}

int fuzz_open(const char *path, int flags, ...) { return use(path), (void)flags, descriptor(); }
int fuzz_openat(int at, const char *path, int flags, ...) { return use(path), (void)at, (void)flags, descriptor(); }

int fuzz_close(int fd)
{
	int index = fd - FIRST_FD;
	if (index < 0 || index >= FDS || !opened[index])
		abort(); /* closed twice, or never opened */
	opened[index] = false;
	count--;
	return 0;
}

ssize_t fuzz_read(int fd, void *to, size_t length)
{
	(void)fd;
	if (!lucky())
		return -1;
	memset(to, 'e', length);
	return (ssize_t)length;
}

ssize_t fuzz_write(int fd, const void *from, size_t length)
{
	(void)fd, (void)from;
	return lucky() ? (ssize_t)length : -1;
}

int fuzz_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	use(source), use(target), use(type), use(data), (void)flags;
	return result();
}

int fuzz_mkdir(const char *path, mode_t mode) { return use(path), (void)mode, result(); }
int fuzz_rmdir(const char *path) { return use(path), result(); }
int fuzz_mkdirat(int at, const char *path, mode_t mode) { return use(path), (void)at, (void)mode, result(); }
int fuzz_mknodat(int at, const char *path, mode_t mode, dev_t id) { return use(path), (void)at, (void)mode, (void)id, result(); }
int fuzz_fchmodat(int at, const char *path, mode_t mode, int flags) { return use(path), (void)at, (void)mode, (void)flags, result(); }
int fuzz_symlinkat(const char *to, int at, const char *path) { return use(to), use(path), (void)at, result(); }
DIR *fuzz_opendir(const char *path) { return use(path), NULL; }
FILE *fuzz_fopen(const char *path, const char *mode) { return use(path), (void)mode, NULL; }
int fuzz_kill(pid_t pid, int signal) { return (void)pid, (void)signal, result(); }
int fuzz_nanosleep(const struct timespec *time, struct timespec *rest) { return (void)time, (void)rest, 0; }
int fuzz_prctl(int option, ...) { return (void)option, result(); }
int fuzz_setresuid(uid_t a, uid_t b, uid_t c) { return (void)a, (void)b, (void)c, result(); }
int fuzz_setresgid(gid_t a, gid_t b, gid_t c) { return (void)a, (void)b, (void)c, result(); }
int fuzz_setrlimit(__rlimit_resource_t which, const struct rlimit *limit) { return (void)which, (void)limit, result(); }

int fuzz_setgroups(size_t length, const gid_t *groups)
{
	gid_t all = 0;
	for (size_t i = 0; i < length; i++)
		all |= groups[i];
	state ^= all;
	return result();
}

int fuzz_execve(const char *path, char *const arguments[], char *const environment[])
{
	use(path);
	for (; *arguments; arguments++)
		use(*arguments);
	for (; *environment; environment++)
		use(*environment);
	errno = ENOENT;
	return -1;
}

static int about(struct stat *file)
{
	if (!lucky())
		return -1;
	*file = (struct stat){ .st_mode = state & 64 ? S_IFDIR : S_IFCHR, .st_rdev = makedev(1, 3) };
	return 0;
}
int (fuzz_stat)(const char *path, struct stat *file) { return use(path), about(file); }
int (fuzz_fstat)(int fd, struct stat *file) { return (void)fd, about(file); }
