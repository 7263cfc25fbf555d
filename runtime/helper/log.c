#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handover.h"

/* As containerd cuts; kubelet's log reader expects no longer ones. */
#define LINE_LIMIT 16384
#define OUTPUT_SIZE 32768
#define PREFIX_LIMIT 64

static struct {
	char data[OUTPUT_SIZE];
	size_t used;
} output;

int log_open(struct log *log, const char *path, struct failure *failure)
{
	log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	return log->fd < 0 ? fail(failure, "open log", path) : 0;
}

int log_reopen(struct log *log, const char *path, struct failure *failure)
{
	struct log next;
	if (log_open(&next, path, failure))
		return -1;
	close(log->fd);
	log->fd = next.fd;
	log->cut = log->midline = false;
	return 0;
}

/* A full disk loses log lines, never the container. A line that it cut is ended first: the next one is not its rest. */
static void flush(struct log *log)
{
	size_t done = 0;
	if (log->cut && output.used && write(log->fd, "\n", 1) == 1)
		log->cut = log->midline = false;
	while (!log->cut && done < output.used) {
		ssize_t written = write(log->fd, output.data + done, output.used - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			log->cut = log->midline;
			break;
		}
		done += (size_t)written;
		log->midline = output.data[done - 1] != '\n';
	}
	output.used = 0;
}

static void put(struct log *log, const char *data, size_t length)
{
	while (length > 0) {
		size_t room = sizeof output.data - output.used;
		size_t part = length < room ? length : room;
		memcpy(output.data + output.used, data, part);
		output.used += part;
		data += part;
		length -= part;
		if (output.used == sizeof output.data)
			flush(log);
	}
}

/* One time stamp per piece of output: what came together was written together. */
static size_t make_prefix(char *prefix, enum log_stream stream)
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t length = strftime(prefix, PREFIX_LIMIT, "%Y-%m-%dT%H:%M:%S", &parts);
	length += (size_t)snprintf(prefix + length, PREFIX_LIMIT - length, ".%09ldZ %s F ", now.tv_nsec,
				   stream == LOG_STDOUT ? "stdout" : "stderr");
	return length;
}

static void put_line(struct log *log, char *prefix, size_t prefix_length, bool full, const char *a, size_t a_length,
		     const char *b, size_t b_length)
{
	prefix[prefix_length - 2] = full ? 'F' : 'P';
	put(log, prefix, prefix_length);
	put(log, a, a_length);
	put(log, b, b_length);
	put(log, "\n", 1);
}

/* Keeps the begin of a line; without memory it is written as a part of its own. */
static void keep(struct log *log, enum log_stream stream, char *prefix, size_t prefix_length, const char *data, size_t length)
{
	if (length == 0)
		return;
	char *grown = realloc(log->partial[stream].data, log->partial[stream].length + length);
	if (!grown)
		return put_line(log, prefix, prefix_length, false, data, length, "", 0);
	memcpy(grown + log->partial[stream].length, data, length);
	log->partial[stream].data = grown;
	log->partial[stream].length += length;
}

static void forget(struct log *log, enum log_stream stream)
{
	free(log->partial[stream].data);
	log->partial[stream].data = NULL;
	log->partial[stream].length = 0;
}

void log_write(struct log *log, enum log_stream stream, const char *data, size_t length)
{
	char prefix[PREFIX_LIMIT];
	size_t prefix_length = make_prefix(prefix, stream);
	while (length > 0) {
		size_t before = log->partial[stream].length;
		size_t room = LINE_LIMIT - before;
		size_t window = length < room ? length : room;
		const char *newline = memchr(data, '\n', window);
		if (!newline && length < room) {
			keep(log, stream, prefix, prefix_length, data, length);
			break;
		}
		size_t part = newline ? (size_t)(newline - data) : room;
		put_line(log, prefix, prefix_length, newline != NULL, log->partial[stream].data, before, data, part);
		forget(log, stream);
		part += newline != NULL;
		data += part;
		length -= part;
	}
	flush(log);
}

void log_close(struct log *log)
{
	char prefix[PREFIX_LIMIT];
	if (log->fd < 0)
		return;
	for (int stream = 0; stream < 2; stream++) {
		if (log->partial[stream].length == 0)
			continue;
		size_t prefix_length = make_prefix(prefix, (enum log_stream)stream);
		put_line(log, prefix, prefix_length, false, log->partial[stream].data, log->partial[stream].length, "", 0);
		forget(log, (enum log_stream)stream);
	}
	flush(log);
	close(log->fd);
	log->fd = -1;
}

void log_hand_over(struct writer *w, const struct log *log)
{
	put_descriptor(w, HANDOVER_LOG, log->fd);
	for (int stream = 0; stream < 2; stream++)
		put_bytes(w, (uint16_t)(HANDOVER_PARTIAL_STDOUT + stream), log->partial[stream].data, log->partial[stream].length);
}

int log_take_over(struct log *log, const uint8_t *payload, size_t length)
{
	struct tlv part;
	log->fd = take_descriptor(payload, length, HANDOVER_LOG);
	for (int stream = 0; stream < 2; stream++) {
		if (!tlv_find(payload, length, (uint16_t)(HANDOVER_PARTIAL_STDOUT + stream), &part) || part.length == 0)
			continue;
		if (!(log->partial[stream].data = malloc(part.length)))
			return -1;
		memcpy(log->partial[stream].data, part.value, part.length);
		log->partial[stream].length = part.length;
	}
	return 0;
}
