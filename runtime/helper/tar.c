#include "tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512
/* Larger numbers mean nothing, and their arithmetic would overflow. */
#define NUMBER_BITS 62

/* Offsets and sizes of the header's fields. */
enum {
	NAME = 0, NAME_SIZE = 100, MODE = 100, UID = 108, GID = 116, ID_SIZE = 8, SIZE = 124, MTIME = 136, LONG_SIZE = 12,
	CHECKSUM = 148, TYPE = 156, LINK = 157, MAGIC = 257, MAJOR = 329, MINOR = 337, PREFIX = 345, PREFIX_SIZE = 155,
};

static int damaged(struct failure *failure, const char *what) { return fail_with(failure, EBADMSG, "read layer", what); }

/* Reads all of it; 0: nothing at all was left (only when `may_end`). */
static int read_whole(struct tar *tar, void *data, size_t length, bool may_end, struct failure *failure)
{
	size_t done = 0;
	while (done < length) {
		ssize_t got = read(tar->fd, (char *)data + done, length - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(failure, "read layer", NULL);
		if (got == 0 && done == 0 && may_end)
			return 0;
		if (got == 0)
			return damaged(failure, "the archive is cut off");
		done += (size_t)got;
	}
	return 1;
}

/* Octal, or GNU's base 256 when the first bit is set. */
static int number(const uint8_t *field, size_t size, uint64_t *value, bool *negative)
{
	*value = 0;
	if (negative)
		*negative = false;
	if (field[0] & 0x80) {
		bool minus = field[0] & 0x40;
		for (size_t i = 0; i < size; i++) {
			uint8_t byte = i == 0 ? (uint8_t)(minus ? field[0] : field[0] & 0x7f) : field[i];
			if (minus)
				byte = (uint8_t)~byte;
			if (*value >> (NUMBER_BITS - 8))
				return -1;
			*value = *value << 8 | byte;
		}
		if (minus && !negative)
			return -1;
		if (minus) {
			*negative = true;
			*value += 1;
		}
		return 0;
	}
	size_t i = 0;
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] != 0 && field[i] != ' '; i++) {
		if (field[i] < '0' || field[i] > '7' || *value >> 60)
			return -1;
		*value = *value << 3 | (uint64_t)(field[i] - '0');
	}
	return 0;
}

static bool checksum_fits(const uint8_t *header)
{
	uint64_t told;
	if (number(header + CHECKSUM, 8, &told, NULL))
		return false;
	uint64_t sum = 0;
	for (int i = 0; i < BLOCK; i++)
		sum += i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : header[i];
	return sum == told;
}

static void copy_text(char *to, const uint8_t *from, size_t size)
{
	size_t length = strnlen((const char *)from, size);
	memcpy(to, from, length);
	to[length] = 0;
}

static int skip_rest(struct tar *tar, struct failure *failure)
{
	char waste[16384];
	while (tar->left > 0)
		if (tar_read(tar, waste, sizeof waste, failure) < 0)
			return -1;
	if (tar->padding && read_whole(tar, waste, tar->padding, false, failure) < 0)
		return -1;
	tar->padding = 0;
	return 0;
}

static void begin_content(struct tar *tar, uint64_t size)
{
	tar->left = size;
	tar->padding = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
}

ssize_t tar_read(struct tar *tar, void *data, size_t length, struct failure *failure)
{
	if (length > tar->left)
		length = (size_t)tar->left;
	if (length == 0)
		return 0;
	ssize_t got;
	do
		got = read(tar->fd, data, length);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail(failure, "read layer", NULL);
	if (got == 0)
		return damaged(failure, "the archive is cut off");
	tar->left -= (uint64_t)got;
	return got;
}

/* The content of a long name or of pax records, in memory, with a NUL behind it. */
static char *read_extended(struct tar *tar, uint64_t size, struct failure *failure)
{
	if (size > TAR_EXTENDED_LIMIT) {
		damaged(failure, "an extended header is larger than 1 MiB");
		return NULL;
	}
	char *text = malloc((size_t)size + 1);
	if (!text) {
		fail(failure, "read layer", "no memory");
		return NULL;
	}
	if (size && read_whole(tar, text, (size_t)size, false, failure) < 0) {
		free(text);
		return NULL;
	}
	text[size] = 0;
	tar->left = 0;
	return text;
}

static int long_name(struct tar *tar, uint64_t size, char *into, struct failure *failure)
{
	char *text = read_extended(tar, size, failure);
	if (!text)
		return -1;
	int fits = strlen(text) < PATH_MAX;
	if (fits)
		strcpy(into, text);
	free(text);
	return fits ? skip_rest(tar, failure) : damaged(failure, "a name is longer than 4095 bytes");
}

struct pax {
	const char *path, *link, *size, *uid, *gid, *modified;
	bool sparse;
};

static int decimal(const char *text, uint64_t most, uint64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || *value > most ? -1 : 0;
}

/* Seconds with any number of decimals; before 1970 with a minus. */
static int decimal_time(const char *text, struct timespec *time)
{
	const int64_t limit = (int64_t)1 << NUMBER_BITS;
	char *end;
	int64_t seconds = strtoll(text, &end, 10);
	long nanoseconds = 0, unit = 100000000;
	if (end == text || seconds > limit || seconds < -limit)
		return -1;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			nanoseconds += unit * (*end - '0');
	if (*end)
		return -1;
	bool before = *text == '-' && nanoseconds > 0;
	*time = (struct timespec){ .tv_sec = before ? seconds - 1 : seconds, .tv_nsec = before ? 1000000000 - nanoseconds : nanoseconds };
	return 0;
}

static void pax_record(char *key, char *value, size_t value_length, struct pax *pax, struct tar_entry *entry)
{
	static const char XATTR[] = "SCHILY.xattr.";
	if (strcmp(key, "path") == 0)
		pax->path = value;
	else if (strcmp(key, "linkpath") == 0)
		pax->link = value;
	else if (strcmp(key, "size") == 0)
		pax->size = value;
	else if (strcmp(key, "uid") == 0)
		pax->uid = value;
	else if (strcmp(key, "gid") == 0)
		pax->gid = value;
	else if (strcmp(key, "mtime") == 0)
		pax->modified = value;
	else if (strncmp(key, "GNU.sparse.", 11) == 0)
		pax->sparse = true;
	else if (strncmp(key, XATTR, sizeof XATTR - 1) == 0 && entry->xattr_count < TAR_XATTRS_LIMIT)
		entry->xattrs[entry->xattr_count++] =
			(struct tar_xattr){ .name = key + sizeof XATTR - 1, .value = value, .length = value_length };
}

/* `<length> <key>=<value>\n`, repeated; the length counts all of it. */
static int parse_pax(char *text, size_t length, struct pax *pax, struct tar_entry *entry, struct failure *failure)
{
	while (length > 0) {
		char *space;
		unsigned long record = strtoul(text, &space, 10);
		if (*text < '0' || *text > '9' || *space != ' ' || record > length || record < (size_t)(space - text) + 4 ||
		    text[record - 1] != '\n')
			return damaged(failure, "a pax header is malformed");
		text[record - 1] = 0;
		char *key = space + 1;
		char *equals = memchr(key, '=', (size_t)(text + record - key));
		if (!equals)
			return damaged(failure, "a pax header is malformed");
		*equals = 0;
		pax_record(key, equals + 1, (size_t)(text + record - 1 - (equals + 1)), pax, entry);
		text += record;
		length -= record;
	}
	return 0;
}

static int apply_pax(const struct pax *pax, struct tar_entry *entry, struct failure *failure)
{
	uint64_t value;
	if (pax->sparse)
		return fail_with(failure, ENOTSUP, "read layer", "sparse files are not supported");
	if ((pax->path && strlen(pax->path) >= PATH_MAX) || (pax->link && strlen(pax->link) >= PATH_MAX))
		return damaged(failure, "a name is longer than 4095 bytes");
	if (pax->path)
		strcpy(entry->path, pax->path);
	if (pax->link)
		strcpy(entry->link, pax->link);
	if (pax->size) {
		if (decimal(pax->size, (uint64_t)1 << 60, &entry->size))
			return damaged(failure, "a pax size is malformed");
	}
	if (pax->uid) {
		if (decimal(pax->uid, INT_MAX, &value))
			return damaged(failure, "a pax uid is malformed");
		entry->uid = (uid_t)value;
	}
	if (pax->gid) {
		if (decimal(pax->gid, INT_MAX, &value))
			return damaged(failure, "a pax gid is malformed");
		entry->gid = (gid_t)value;
	}
	if (pax->modified && decimal_time(pax->modified, &entry->modified))
		return damaged(failure, "a pax mtime is malformed");
	return 0;
}

static int parse_header(const uint8_t *header, struct tar_entry *entry, struct failure *failure)
{
	uint64_t mode, uid, gid, modified, major, minor;
	bool before_epoch;
	if (number(header + MODE, ID_SIZE, &mode, NULL) || number(header + UID, ID_SIZE, &uid, NULL) ||
	    number(header + GID, ID_SIZE, &gid, NULL) || number(header + SIZE, LONG_SIZE, &entry->size, NULL) ||
	    number(header + MTIME, LONG_SIZE, &modified, &before_epoch) ||
	    number(header + MAJOR, ID_SIZE, &major, NULL) || number(header + MINOR, ID_SIZE, &minor, NULL) ||
	    uid > INT_MAX || gid > INT_MAX || entry->size >> 60)
		return damaged(failure, "a header is malformed");
	entry->mode = (mode_t)mode & 07777;
	entry->uid = (uid_t)uid;
	entry->gid = (gid_t)gid;
	entry->modified = (struct timespec){ .tv_sec = before_epoch ? -(time_t)modified : (time_t)modified };
	entry->major = (unsigned)major;
	entry->minor = (unsigned)minor;
	entry->type = header[TYPE] == 0 || header[TYPE] == '7' ? '0' : (char)header[TYPE];
	return 0;
}

/* The names of the header itself, unless a long name came before. */
static void header_names(const uint8_t *header, struct tar_entry *entry)
{
	if (!*entry->path) {
		char *to = entry->path;
		bool posix = memcmp(header + MAGIC, "ustar\0", 6) == 0;
		if (posix && header[PREFIX]) {
			copy_text(to, header + PREFIX, PREFIX_SIZE);
			to += strlen(to);
			*to++ = '/';
		}
		copy_text(to, header + NAME, NAME_SIZE);
	}
	if (!*entry->link)
		copy_text(entry->link, header + LINK, NAME_SIZE);
}

static int finish(const uint8_t *header, struct tar *tar, struct tar_entry *entry, struct failure *failure)
{
	struct pax pax = { 0 };
	header_names(header, entry);
	if (tar->extended && parse_pax(tar->extended, tar->extended_length, &pax, entry, failure))
		return -1;
	if (apply_pax(&pax, entry, failure))
		return -1;
	/* Old archives mark directories by a slash alone. */
	size_t length = strlen(entry->path);
	if (entry->type == '0' && length > 0 && entry->path[length - 1] == '/')
		entry->type = '5';
	if (!strchr("0123456", entry->type))
		return fail_with(failure, ENOTSUP, "read layer", entry->type == 'S' ? "sparse files are not supported" : entry->path);
	/* Only files have content, whatever the header claims for links. */
	begin_content(tar, entry->type == '0' ? entry->size : 0);
	return 1;
}

int tar_next(struct tar *tar, struct tar_entry *entry, struct failure *failure)
{
	uint8_t header[BLOCK];
	if (skip_rest(tar, failure))
		return -1;
	free(tar->extended);
	tar->extended = NULL;
	entry->path[0] = entry->link[0] = 0;
	entry->xattr_count = 0;
	for (;;) {
		int got = read_whole(tar, header, sizeof header, true, failure);
		if (got <= 0)
			return got;
		if (header[NAME] == 0 && header[TYPE] == 0 && header[CHECKSUM] == 0)
			return 0;
		if (!checksum_fits(header))
			return damaged(failure, "a header's checksum is wrong");
		if (parse_header(header, entry, failure))
			return -1;
		if (!strchr("LKxg", entry->type))
			return finish(header, tar, entry, failure);
		begin_content(tar, entry->size);
		if (entry->type == 'L' || entry->type == 'K') {
			if (long_name(tar, entry->size, entry->type == 'L' ? entry->path : entry->link, failure))
				return -1;
			continue;
		}
		char *text = read_extended(tar, entry->size, failure);
		if (!text || skip_rest(tar, failure)) {
			free(text);
			return -1;
		}
		if (entry->type == 'g' || tar->extended) {
			free(text); /* global records name tools, not files; a second set of records has no meaning */
			continue;
		}
		tar->extended = text;
		tar->extended_length = (size_t)entry->size;
	}
}

void tar_drain(struct tar *tar)
{
	char waste[16384];
	while (read(tar->fd, waste, sizeof waste) > 0)
		;
}
