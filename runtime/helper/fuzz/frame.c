/*
 * Any bytes as what a connection receives: frames are cut out of them, and each one's payload is given to everything that
 * reads specs (cgroups, mounts, identity, arguments), with doubles in place of system calls.
 */
#include <stdlib.h>
#include <string.h>

#include "../cgroup.h"
#include "../execute.h"
#include "../frame.h"
#include "../identity.h"
#include "../mounts.h"
#include "outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void drive_cgroup(const struct frame *frame, struct failure *failure)
{
	struct tlv cgroup;
	if (!tlv_find(frame->payload, frame->length, TAG_CGROUP, &cgroup))
		cgroup = (struct tlv){ .value = frame->payload, .length = (uint32_t)frame->length };
	cgroup_make(&cgroup, failure);
	cgroup_attach(&cgroup, failure);
	cgroup_kill(&cgroup);
	cgroup_remove(&cgroup);
	cgroup_oom_kills(&cgroup);
	must(outcome_open_fds() == 0);
}

static void drive_container(const struct frame *frame, struct failure *failure)
{
	/* Of its answer only one descriptor stays: the root. */
	int root = mounts_build(frame->payload, frame->length, failure);
	must(outcome_open_fds() == (root >= 0));
	must(root >= 0 || failure->error != 0);
	*failure = (struct failure){ 0 };
	struct identity who = { .container = frame->payload, .container_length = frame->length };
	if (frame->id % 2) {
		who.exec = frame->payload;
		who.exec_length = frame->length;
	}
	if (identity_limits(frame->payload, frame->length, failure) == 0)
		identity_assume(&who, failure);
	struct spawn spawn = { .container = frame->payload, .container_length = frame->length };
	if (frame->id % 2) {
		spawn.exec = frame->payload;
		spawn.exec_length = frame->length;
	}
	must(execute(&spawn, -1, failure) == -1 && failure->error != 0);
}

/* What was read is written again: the same bytes come out. */
static void rewrite(const struct frame *frame, const uint8_t *bytes, size_t size)
{
	struct buffer out = { 0 };
	struct writer w;
	struct tlv item;
	size_t offset = 0;
	frame_begin(&w, &out, frame->op, frame->id);
	while (tlv_next(frame->payload, frame->length, &offset, &item) == 1)
		put_bytes(&w, item.tag, item.value, item.length);
	must(frame_end(&w) == 0 && buffer_used(&out) == size && memcmp(buffer_head(&out), bytes, size) == 0);
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 8)
		return 0;
	uint64_t seed;
	memcpy(&seed, data, sizeof seed);
	data += sizeof seed;
	size -= sizeof seed;
	struct frame frame;
	size_t taken;
	while (frame_parse(data, size, &frame, &taken) == 1) {
		struct failure failure = { 0 };
		must(taken <= size && frame.payload + frame.length == data + taken);
		rewrite(&frame, data, taken);
		outcome_begin(seed);
		drive_cgroup(&frame, &failure);
		failure = (struct failure){ 0 };
		drive_container(&frame, &failure);
		data += taken;
		size -= taken;
	}
	return 0;
}
