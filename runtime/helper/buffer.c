#include "buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Above this an empty buffer is freed: an idle monitor must stay small. */
#define KEEP_WHEN_EMPTY 4096
/* No buffer outgrows this: a frame (16 MiB) and a queue of output in front of it. */
#define BUFFER_LIMIT ((size_t)40 << 20)

int buffer_reserve(struct buffer *b, size_t length)
{
	if (length <= b->size - b->end)
		return 0;
	size_t used = buffer_used(b);
	if (length > BUFFER_LIMIT || used + length > BUFFER_LIMIT) {
		errno = ENOMEM;
		return -1;
	}
	if (b->start > 0) {
		memmove(b->data, b->data + b->start, used);
		b->start = 0;
		b->end = used;
		if (length <= b->size - b->end)
			return 0;
	}
	size_t size = b->size ? b->size : 512;
	while (size < used + length)
		size *= 2;
	uint8_t *data = realloc(b->data, size);
	if (!data)
		return -1;
	b->data = data;
	b->size = size;
	return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t length)
{
	if (length == 0)
		return 0;
	if (buffer_reserve(b, length))
		return -1;
	memcpy(b->data + b->end, data, length);
	b->end += length;
	return 0;
}

void buffer_take(struct buffer *b, size_t length)
{
	b->start += length;
	if (b->start < b->end)
		return;
	b->start = b->end = 0;
	if (b->size > KEEP_WHEN_EMPTY)
		buffer_free(b);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
