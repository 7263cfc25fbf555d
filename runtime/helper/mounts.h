/* A container's file system, made in its own mount namespace and by file descriptor only: no path is resolved twice. */
#pragma once

#include "failure.h"
#include "frame.h"

/*
 * Builds the root that `container` (payload of OP_START) describes: TAG_ROOT, then TAG_MOUNT, TAG_DEVICE and TAG_SYMLINK
 * in their order, masks, read-only paths. Returns a descriptor of the new root, which is not entered yet.
 */
int mounts_build(const uint8_t *container, size_t length, struct failure *failure);
/* Mounts what `mount` (TAG_MOUNT) describes inside `root`. */
int mounts_attach(int root, const struct tlv *mount, struct failure *failure);
/* Makes `root` the root of this mount namespace and lets go of the old one. */
int mounts_enter(int root, struct failure *failure);
