/*
 * Reads a tar stream entry by entry: ustar, pax and GNU long names. Sparse files are refused. Everything is bounded; a
 * stream is not trusted. Sources: POSIX.1-2017 pax, GNU tar manual "Basic Tar Format".
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "failure.h"

#define TAR_XATTRS_LIMIT 32
#define TAR_EXTENDED_LIMIT ((size_t)1 << 20)

struct tar_xattr {
	const char *name; /* points into `extended` */
	const char *value;
	size_t length;
};

struct tar_entry {
	char type; /* '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo */
	char path[PATH_MAX];
	char link[PATH_MAX];
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	unsigned major, minor;
	struct timespec modified;
	struct tar_xattr xattrs[TAR_XATTRS_LIMIT];
	unsigned xattr_count;
};

struct tar {
	int fd;
	uint64_t left;  /* of the current entry's content */
	unsigned padding;
	char *extended; /* pax records of the current entry */
	size_t extended_length;
};

/* 1: an entry; 0: the end of the archive; -1: damaged (EBADMSG), unsupported (ENOTSUP) or not readable. */
int tar_next(struct tar *tar, struct tar_entry *entry, struct failure *failure);
/* Some of the entry's content: bytes read, 0 at its end, -1. */
ssize_t tar_read(struct tar *tar, void *data, size_t length, struct failure *failure);
/* Reads what follows the archive, so that the writer of a pipe is not cut off. */
void tar_drain(struct tar *tar);
