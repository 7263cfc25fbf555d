/* Exits on disk: what is known of a container when its monitor is gone too. */
#pragma once

struct container;

/* Writes TAG_RECORD as one line of JSON, replaced in one step and synced. Its failure is not the container's. */
void record_exit(const struct container *container);
