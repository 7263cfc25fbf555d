/* A growable run of bytes with a hard limit; used for frames coming in and going out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data;
	size_t start; /* first byte not yet taken */
	size_t end;   /* first free byte */
	size_t size;
};

static inline size_t buffer_used(const struct buffer *b) { return b->end - b->start; }
static inline const uint8_t *buffer_head(const struct buffer *b) { return b->data + b->start; }

/* Room for `length` more bytes at `end`; -1 with errno ENOMEM. */
int buffer_reserve(struct buffer *b, size_t length);
int buffer_append(struct buffer *b, const void *data, size_t length);
/* Drops `length` bytes from the front; gives the memory back when nothing is left. */
void buffer_take(struct buffer *b, size_t length);
void buffer_free(struct buffer *b);
