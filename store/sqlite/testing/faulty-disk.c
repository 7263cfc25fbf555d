/*
 * A disk with faults, for tests: preloaded into a process, it stands between that process and the files of one directory.
 *
 *   FAULTY_DISK_DIRECTORY  the files it acts on; all others pass
 *   FAULTY_DISK_CONTROL    a file of `struct control`, mapped by both sides: the test changes it while the process runs
 *   FAULTY_DISK_RECORD     where each change of a file is noted, in order, as `struct note` and its data; none when unset
 *
 * Only what SQLite and node:fs use is covered: open, pwrite, ftruncate, fsync, fdatasync, unlink.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct control {
  uint32_t write_errno;  /* every write fails with it; 0 = none */
  uint32_t sync_errno;   /* every sync fails with it */
  uint32_t stall_ms;     /* every sync takes so much longer */
  uint32_t tear_at;      /* that write, counted from 1, is done by half and the process is gone; 0 = never */
  uint32_t writes;       /* how many writes there were */
  uint32_t syncs;        /* how many syncs there were */
};

enum change { CHANGE_WRITE = 1, CHANGE_TRUNCATE = 2, CHANGE_SYNC = 3, CHANGE_UNLINK = 4 };

/* In the order of the machine; followed by `name_length` bytes of the file's name and `length` bytes of data. */
struct note {
  uint32_t change;
  uint32_t name_length;
  uint64_t offset; /* of a write; the size of a truncation; for a sync the number of notes before it began */
  uint64_t length; /* of the data of a write */
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static struct control nothing;
static struct control *control = &nothing;
static const char *directory;
static int record = -1;
static uint64_t notes;

/* Says what is wrong with the set-up of the test and ends the process. */
static void give_up(const char *what)
{
  fprintf(stderr, "faulty-disk: %s: %s\n", what, strerror(errno));
  _exit(70);
}

__attribute__((constructor)) static void begin(void)
{
  const char *control_path = getenv("FAULTY_DISK_CONTROL");
  const char *record_path = getenv("FAULTY_DISK_RECORD");
  directory = getenv("FAULTY_DISK_DIRECTORY");
  if (control_path) {
    int fd = open(control_path, O_RDWR | O_CLOEXEC);
    if (fd < 0) give_up(control_path);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) give_up("mmap");
    close(fd);
  }
  if (record_path) {
    record = open(record_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (record < 0) give_up(record_path);
  }
}

/* The name of a file within the directory, empty for itself; NULL when it is not in it. */
static const char *inside(const char *path)
{
  size_t length = directory ? strlen(directory) : 0;
  if (length == 0 || strncmp(path, directory, length) != 0) return NULL;
  if (path[length] == 0) return path + length;
  return path[length] == '/' ? path + length + 1 : NULL;
}

/* As `inside`, of an open file. `path` has room for PATH_MAX bytes. */
static const char *name_of(int fd, char *path)
{
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return inside(path);
}

static void append(const void *data, size_t length)
{
  const char *at = data;
  while (length > 0) {
    ssize_t written = syscall(SYS_write, record, at, length);
    if (written < 0) give_up("the record");
    at += written;
    length -= (size_t)written;
  }
}

static void note(enum change change, const char *name, uint64_t offset, const void *data, uint64_t length)
{
  if (record < 0) return;
  struct note head = { change, (uint32_t)strlen(name), offset, length };
  append(&head, sizeof head);
  append(name, head.name_length);
  if (length > 0) append(data, length);
  notes++;
}

static ssize_t write_through(int fd, const void *data, size_t length, off_t offset, const char *name)
{
  uint32_t count = __atomic_add_fetch(&control->writes, 1, __ATOMIC_SEQ_CST);
  if (control->write_errno) {
    errno = (int)control->write_errno;
    return -1;
  }
  if (control->tear_at == count) {
    syscall(SYS_pwrite64, fd, data, length / 2, offset);
    note(CHANGE_WRITE, name, (uint64_t)offset, data, length / 2);
    _exit(71);
  }
  ssize_t written = syscall(SYS_pwrite64, fd, data, length, offset);
  if (written > 0) note(CHANGE_WRITE, name, (uint64_t)offset, data, (uint64_t)written);
  return written;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset)
{
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  if (!name) return syscall(SYS_pwrite64, fd, data, length, offset);
  pthread_mutex_lock(&order);
  ssize_t written = write_through(fd, data, length, offset, name);
  int failure = errno;
  pthread_mutex_unlock(&order);
  errno = failure;
  return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
  return pwrite64(fd, data, length, offset);
}

int ftruncate64(int fd, off_t size)
{
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  if (!name) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&order);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  if (result == 0) note(CHANGE_TRUNCATE, name, (uint64_t)size, NULL, 0);
  pthread_mutex_unlock(&order);
  return result;
}

int ftruncate(int fd, off_t size)
{
  return ftruncate64(fd, size);
}

/* The lock is not held meanwhile: a slow sync must not hold up the writes of others. */
static int sync_through(int fd, long call)
{
  char path[PATH_MAX];
  const char *name = name_of(fd, path);
  if (!name) return (int)syscall(call, fd);
  __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&order);
  uint64_t before = notes;
  pthread_mutex_unlock(&order);
  if (control->stall_ms) usleep(control->stall_ms * 1000);
  if (control->sync_errno) {
    errno = (int)control->sync_errno;
    return -1;
  }
  int result = (int)syscall(call, fd);
  pthread_mutex_lock(&order);
  if (result == 0) note(CHANGE_SYNC, name, before, NULL, 0);
  pthread_mutex_unlock(&order);
  return result;
}

int fsync(int fd)
{
  return sync_through(fd, SYS_fsync);
}

int fdatasync(int fd)
{
  return sync_through(fd, SYS_fdatasync);
}

int unlink(const char *path)
{
  const char *name = inside(path);
  if (!name) return (int)syscall(SYS_unlink, path);
  pthread_mutex_lock(&order);
  int result = (int)syscall(SYS_unlink, path);
  if (result == 0) note(CHANGE_UNLINK, name, 0, NULL, 0);
  pthread_mutex_unlock(&order);
  return result;
}
