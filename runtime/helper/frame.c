#include "frame.h"

#include <errno.h>
#include <string.h>

#include "defence.h"

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static void set16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
static void set32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

int frame_parse(const uint8_t *data, size_t used, struct frame *frame, size_t *size)
{
	if (used < 4)
		return 0;
	uint32_t length = get32(data);
	if (length < FRAME_HEADER - 4 || length > FRAME_LIMIT)
		return -1;
	if (used >= 6 && get16(data + 4) != PROTOCOL_VERSION)
		return -1;
	if (used < (size_t)length + 4)
		return 0;
	frame->op = get16(data + 6);
	frame->id = get32(data + 8);
	frame->payload = data + FRAME_HEADER;
	frame->length = length - (FRAME_HEADER - 4);
	*size = (size_t)length + 4;
	return tlv_valid(frame->payload, frame->length) ? 1 : -1;
}

int tlv_next(const uint8_t *payload, size_t length, size_t *offset, struct tlv *tlv)
{
	if (*offset == length)
		return 0;
	if (length - *offset < TLV_HEADER)
		return -1;
	const uint8_t *p = payload + *offset;
	tlv->tag = get16(p);
	/* All of it: cut to 16 bits, what is left of a long value would be read as fields. */
	tlv->length = defended("whole-lengths") ? get32(p + 2) : get16(p + 2);
	tlv->value = p + TLV_HEADER;
	if (tlv->length > length - *offset - TLV_HEADER)
		return -1;
	*offset += TLV_HEADER + (size_t)tlv->length;
	return 1;
}

bool tlv_valid(const uint8_t *payload, size_t length)
{
	struct tlv tlv;
	size_t offset = 0;
	int more;
	while ((more = tlv_next(payload, length, &offset, &tlv)) == 1)
		;
	return more == 0;
}

bool tlv_find(const uint8_t *payload, size_t length, uint16_t tag, struct tlv *tlv)
{
	size_t offset = 0;
	while (tlv_next(payload, length, &offset, tlv) == 1)
		if (tlv->tag == tag)
			return true;
	return false;
}

uint64_t tlv_value(const struct tlv *tlv)
{
	uint64_t number = 0;
	for (uint32_t i = 0; i < tlv->length && i < 8; i++)
		number |= (uint64_t)tlv->value[i] << (8 * i);
	return number;
}

uint64_t tlv_number(const uint8_t *payload, size_t length, uint16_t tag, uint64_t otherwise)
{
	struct tlv tlv;
	return tlv_find(payload, length, tag, &tlv) ? tlv_value(&tlv) : otherwise;
}

int tlv_copy(const struct tlv *tlv, char *text, size_t size)
{
	if (tlv->length >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (memchr(tlv->value, 0, tlv->length)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(text, tlv->value, tlv->length);
	text[tlv->length] = 0;
	return 0;
}

int tlv_text(const uint8_t *payload, size_t length, uint16_t tag, char *text, size_t size)
{
	struct tlv tlv;
	if (!tlv_find(payload, length, tag, &tlv)) {
		errno = EINVAL;
		return -1;
	}
	return tlv_copy(&tlv, text, size);
}

static void put_raw(struct writer *w, const void *data, size_t length)
{
	if (!w->failed && buffer_append(w->out, data, length))
		w->failed = true;
}

void frame_begin(struct writer *w, struct buffer *out, uint16_t op, uint32_t id)
{
	uint8_t header[FRAME_HEADER] = { 0 };
	set16(header + 4, PROTOCOL_VERSION);
	set16(header + 6, op);
	set32(header + 8, id);
	/* Relative to `start`: the buffer may move its bytes to the front while it grows. */
	*w = (struct writer){ .out = out, .frame = buffer_used(out) };
	put_raw(w, header, sizeof header);
}

static void put_header(struct writer *w, uint16_t tag, size_t length)
{
	uint8_t header[TLV_HEADER];
	set16(header, tag);
	set32(header + 2, (uint32_t)length);
	put_raw(w, header, sizeof header);
}

void put_bytes(struct writer *w, uint16_t tag, const void *data, size_t length)
{
	put_header(w, tag, length);
	put_raw(w, data, length);
}

void put_text(struct writer *w, uint16_t tag, const char *text) { put_bytes(w, tag, text, strlen(text)); }

void put_number(struct writer *w, uint16_t tag, uint64_t number)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
	put_bytes(w, tag, bytes, sizeof bytes);
}

size_t nest_begin(struct writer *w, uint16_t tag)
{
	size_t at = buffer_used(w->out);
	put_header(w, tag, 0);
	return at;
}

void nest_end(struct writer *w, size_t at)
{
	if (w->failed)
		return;
	uint8_t *header = w->out->data + w->out->start + at;
	set32(header + 2, (uint32_t)(buffer_used(w->out) - at - TLV_HEADER));
}

int frame_end(struct writer *w)
{
	if (!w->failed && buffer_used(w->out) - w->frame - 4 > FRAME_LIMIT)
		w->failed = true;
	if (w->failed) {
		if (buffer_used(w->out) > w->frame)
			w->out->end = w->out->start + w->frame;
		errno = ENOMEM;
		return -1;
	}
	set32(w->out->data + w->out->start + w->frame, (uint32_t)(buffer_used(w->out) - w->frame - 4));
	return 0;
}
