/* Any bytes as a layer: tar_next and tar_read must end, stay in bounds, and give only what unpack may rely on. */
#include "../tar.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 512

/* tar.c is compiled with read(2) by this name: the input, in pieces of changing size. */
ssize_t fuzz_read(int fd, void *to, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static const uint8_t *left;
static size_t left_size, pieces;

ssize_t fuzz_read(int fd, void *to, size_t length)
{
	(void)fd;
	size_t piece = 1 + (pieces++ * 7919) % 4096;
	if (length > piece)
		length = piece;
	if (length > left_size)
		length = left_size;
	memcpy(to, left, length);
	left += length;
	left_size -= length;
	return (ssize_t)length;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct tar *tar, const struct tar_entry *entry)
{
	must(memchr(entry->path, 0, sizeof entry->path) && memchr(entry->link, 0, sizeof entry->link));
	must(strchr("0123456", entry->type) && entry->type);
	must(entry->mode <= 07777 && entry->uid <= INT_MAX && entry->gid <= INT_MAX);
	must(entry->modified.tv_nsec >= 0 && entry->modified.tv_nsec < 1000000000);
	must(entry->xattr_count <= TAR_XATTRS_LIMIT);
	for (unsigned i = 0; i < entry->xattr_count; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];
		must(xattr->name >= tar->extended && xattr->value > xattr->name);
		must(xattr->value + xattr->length <= tar->extended + tar->extended_length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tar_entry entry;
	struct tar tar = { .fd = -1 };
	struct failure failure = { 0 };
	char content[3000];
	left = data;
	left_size = size;
	pieces = size;
	int more;
	while ((more = tar_next(&tar, &entry, &failure)) == 1) {
		check(&tar, &entry);
		/* Every other file is read; the rest is skipped by tar_next. */
		uint64_t whole = 0;
		ssize_t got = 1;
		while (entry.path[0] % 2 && (got = tar_read(&tar, content, sizeof content, &failure)) > 0)
			whole += (uint64_t)got;
		must(got != 0 || whole == (entry.type == '0' ? entry.size : 0));
	}
	must(more == 0 || failure.error != 0);
	free(tar.extended);
	return 0;
}

/* Whatever was changed, the checksums of headers are made to fit again: else nothing behind them is ever reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, most);
	for (size_t at = 0; at + BLOCK <= size && seed % 16; at += BLOCK) {
		uint8_t *header = data + at;
		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		unsigned sum = 0;
		memset(header + 148, ' ', 8);
		for (int i = 0; i < BLOCK; i++)
			sum += header[i];
		for (int i = 5; i >= 0; i--, sum /= 8)
			header[148 + i] = (uint8_t)('0' + sum % 8);
		header[154] = 0;
	}
	return size;
}
