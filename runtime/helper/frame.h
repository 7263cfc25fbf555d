/*
 * The protocol between agent, helper and monitors (runtime/native/README.md; the other half is
 * runtime/native/protocol.ts, and the numbers here and there must agree).
 *
 *   u32 length of what follows | u16 version | u16 op | u32 id | payload: (u16 tag | u32 length | bytes)*
 *
 * All numbers are little endian. A reply repeats the request's id; its op is OP_OK or OP_ERROR.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "failure.h"

#define PROTOCOL_VERSION 1
#define FRAME_HEADER 12
#define TLV_HEADER 6
/* A netlink batch of some ten thousand rules; nothing else comes near. */
#define FRAME_LIMIT ((uint32_t)16 << 20)

enum op {
	OP_OK = 1,
	OP_ERROR = 2,
	OP_HELLO = 3,
	/* helper */
	OP_NETLINK = 16,
	OP_SANDBOX = 17,
	OP_ADOPT = 18,
	OP_CGROUP_REMOVE = 19,
	OP_UNMOUNT = 20,
	OP_SHUTDOWN = 21,
	OP_CGROUP_KILL = 64,
	OP_UPGRADE = 65,
	OP_PROBE_IDMAP = 60,
	/* monitor */
	OP_START = 32,
	OP_STOP = 33,
	OP_REMOVE = 34,
	OP_LIST = 35,
	OP_WATCH = 36,
	OP_EXEC = 37,
	OP_ATTACH = 38,
	OP_DIAL = 39,
	OP_DESTROY = 40,
	OP_REOPEN_LOG = 41,
	/* on the connection of an exec or attach, both ways */
	OP_STDIN = 48,
	OP_STDIN_END = 49,
	OP_RESIZE = 50,
	OP_STDOUT = 51,
	OP_STDERR = 52,
	OP_EXITED = 54,
	/* helper */
	OP_CGROUP_MAKE = 70,
	OP_TRANSMIT = 71,
	/* on the connection of an exec or attach, to it */
	OP_SIGNAL = 80,
};

enum tag {
	TAG_STEP = 1,
	TAG_ERRNO = 2,
	TAG_DETAIL = 3,
	TAG_VERSION = 4,
	TAG_PID = 5,
	TAG_DATA = 6,
	TAG_PATH = 7,
	TAG_PROTOCOL = 8,
	TAG_ID = 9,
	TAG_LABELS = 10,
	TAG_NAMESPACES = 11,
	TAG_HOSTNAME = 12,
	TAG_SYSCTL = 13,
	TAG_CGROUP = 14,
	TAG_WRITE = 15,
	TAG_VALUE = 16,
	TAG_ROOT = 17,
	TAG_MOUNT = 18,
	TAG_TYPE = 19,
	TAG_SOURCE = 20,
	TAG_TARGET = 21,
	TAG_FLAGS = 22,
	TAG_OPTION = 23,
	TAG_PROPAGATION = 24,
	TAG_ARG = 25,
	TAG_ENV = 26,
	TAG_CWD = 27,
	TAG_UID = 28,
	TAG_GID = 29,
	TAG_GROUP = 30,
	TAG_CAPABILITIES = 31,
	TAG_NO_NEW_PRIVILEGES = 32,
	TAG_SECCOMP = 33,
	TAG_MASKED = 34,
	TAG_READ_ONLY = 35,
	TAG_RLIMIT = 36,
	TAG_OOM_SCORE = 37,
	TAG_TTY = 38,
	TAG_STDIN = 39,
	TAG_LOG = 40,
	TAG_OOM_FILE = 41,
	TAG_SIGNAL = 42,
	TAG_GRACE_MS = 43,
	TAG_COLUMNS = 44,
	TAG_ROWS = 45,
	TAG_CODE = 46,
	TAG_REASON = 47,
	TAG_STARTED_MS = 49,
	TAG_FINISHED_MS = 50,
	TAG_CONTAINER = 51,
	TAG_PORT = 52,
	TAG_SYMLINK = 53,
	TAG_DEVICE = 54,
	TAG_MODE = 55,
	TAG_KEEP = 56,
	TAG_RECORD = 57,
	TAG_USER_MAP = 60,
	TAG_HOST_ID = 61,
	TAG_LAYER = 62,
	TAG_INTO = 70,
	TAG_DEVICE_PROGRAM = 71,
	TAG_INIT = 80,
	TAG_LABEL = 81,
	TAG_SECCOMP_FLAGS = 82,
	TAG_LISTENER = 83,
	TAG_SPARES = 100,
	/* OCI runtimes: launch.h */
	TAG_COMMAND = 120,
	TAG_STAGE = 121,
	TAG_PID_FILE = 122,
	TAG_CONSOLE = 123,
	TAG_INIT_PID = 124,
	TAG_PROGRAM = 101,
	TAG_SYNC = 102,
	TAG_SHARED_PROC = 110,
	TAG_LINK = 130,
};

struct frame {
	uint16_t op;
	uint32_t id;
	const uint8_t *payload;
	size_t length;
};

struct tlv {
	uint16_t tag;
	uint32_t length;
	const uint8_t *value;
};

/* 1: a whole frame (consumes `*size` bytes of `data`); 0: more bytes are needed; -1: not our protocol, hang up. */
int frame_parse(const uint8_t *data, size_t used, struct frame *frame, size_t *size);

/* Steps through TLVs; `*offset` starts at 0. 1: one more; 0: the end; -1: damaged. */
int tlv_next(const uint8_t *payload, size_t length, size_t *offset, struct tlv *tlv);
/* The first TLV of that tag. */
bool tlv_find(const uint8_t *payload, size_t length, uint16_t tag, struct tlv *tlv);
/* Its number (1-8 bytes, little endian), or `otherwise`. */
uint64_t tlv_number(const uint8_t *payload, size_t length, uint16_t tag, uint64_t otherwise);
uint64_t tlv_value(const struct tlv *tlv);
/* A terminated copy in `text`; -1 when it is missing, too long or holds a NUL. */
int tlv_text(const uint8_t *payload, size_t length, uint16_t tag, char *text, size_t size);
int tlv_copy(const struct tlv *tlv, char *text, size_t size);
/* Whether the payload is well formed all through (one level). */
bool tlv_valid(const uint8_t *payload, size_t length);

/* Writing: begin, put..., end. An error (ENOMEM) sticks until frame_end returns it. */
struct writer {
	struct buffer *out;
	size_t frame;
	bool failed;
};
void frame_begin(struct writer *w, struct buffer *out, uint16_t op, uint32_t id);
void put_bytes(struct writer *w, uint16_t tag, const void *data, size_t length);
void put_text(struct writer *w, uint16_t tag, const char *text);
void put_number(struct writer *w, uint16_t tag, uint64_t number);
/* A TLV made of TLVs: returns where it began, for nest_end. */
size_t nest_begin(struct writer *w, uint16_t tag);
void nest_end(struct writer *w, size_t at);
int frame_end(struct writer *w);
