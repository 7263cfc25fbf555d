/* Container logs as the Kubernetes CRI writes them: `<RFC3339Nano> stdout|stderr F|P <text>`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "frame.h"

enum log_stream { LOG_STDOUT, LOG_STDERR };

struct log {
	int fd;
	bool midline; /* what was written last has no newline yet */
	bool cut;     /* and never will: its rest was lost */
	/* The begin of a line whose end has not come; allocated only while there is one. */
	struct {
		char *data;
		size_t length;
	} partial[2];
};

int log_open(struct log *log, const char *path, struct failure *failure);
/* Goes on in the file that has the path now, made when there is none; on failure in the old one. */
int log_reopen(struct log *log, const char *path, struct failure *failure);
void log_hand_over(struct writer *w, const struct log *log);
int log_take_over(struct log *log, const uint8_t *payload, size_t length);
/* Adds output; whole lines are written at once, and lines longer than 16 KiB in parts (P). */
void log_write(struct log *log, enum log_stream stream, const char *data, size_t length);
/* Writes what has no newline yet (P) and closes. */
void log_close(struct log *log);
