/* Mounts that are nowhere yet: new file systems, and copies of mounts of the node. */
#pragma once

#include "failure.h"
#include "frame.h"

/* TAG_FLAGS beside MOUNT_ATTR_*: bits the kernel does not use there. */
#define FLAG_RECURSIVE ((uint64_t)1 << 40)
#define FLAG_NO_SYMLINKS ((uint64_t)1 << 41)
#define FLAG_REAL_SOURCE ((uint64_t)1 << 42)
#define FLAG_READ_ONLY_BELOW ((uint64_t)1 << 43)
#define FLAG_IN_PROC ((uint64_t)1 << 44)
#define FLAG_ONE_STRING ((uint64_t)1 << 45)

/* Remembers the node's mount namespace, before there is another; once. */
int detached_init(struct failure *failure);
void detached_hand_over(struct writer *w);
/* After detached_init: it has remembered ours. */
void detached_take_over(const uint8_t *state, size_t length);
/* In a pod with a user namespace: what MOUNT_ATTR_IDMAP maps by, and the /proc that a mount of that type is. */
void detached_use(int user_namespace, int proc);
/* What a TAG_MOUNT or TAG_ROOT describes; its target is the caller's. */
int detached_mount(const struct tlv *mount, struct failure *failure);
/* A file system of that type with the TLV's source and options. `attributes`: MOUNT_ATTR_*. */
int detached_filesystem(const struct tlv *mount, const char *type, unsigned attributes, struct failure *failure);
