#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptors.h"

#define STEP "reach seccomp listener"
/* It may be busy, but must not hold up a start for ever. */
#define PATIENCE_S 10
#define MESSAGE_LIMIT 16384

static int connection = -1;
/* Our number on the node: in a pid namespace getpid() is another. */
static pid_t self;

int listener_connect(const uint8_t *container, size_t length, struct failure *failure)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct tlv listener;
	char number[16] = "";
	if (!tlv_find(container, length, TAG_LISTENER, &listener))
		return 0;
	if (tlv_text(listener.value, listener.length, TAG_PATH, address.sun_path, sizeof address.sun_path))
		return fail(failure, STEP, NULL);
	if (readlink("/proc/self", number, sizeof number - 1) < 0)
		return fail(failure, STEP, "/proc/self");
	self = (pid_t)strtol(number, NULL, 10);
	connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection < 0 || setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) ||
	    connect(connection, (struct sockaddr *)&address, sizeof address))
		return fail(failure, STEP, address.sun_path);
	return 0;
}

bool listener_connected(void) { return connection >= 0; }

void listener_follow(pid_t pid) { self = pid; }

int listener_hand_over(const uint8_t *container, size_t length, int filter, pid_t first, struct failure *failure)
{
	/* What stands between the parts of the text. */
	const int numbers[] = { self, first ? first : self };
	char text[MESSAGE_LIMIT];
	size_t used = 0, count = 0, offset = 0;
	struct tlv listener, item;
	tlv_find(container, length, TAG_LISTENER, &listener);
	while (tlv_next(listener.value, listener.length, &offset, &item) == 1) {
		if (item.tag != TAG_VALUE)
			continue;
		if (used + item.length + 16 > sizeof text)
			return fail_with(failure, E2BIG, STEP, NULL);
		memcpy(text + used, item.value, item.length);
		used += item.length;
		if (count < 2)
			used += (size_t)snprintf(text + used, sizeof text - used, "%d", numbers[count]);
		count++;
	}
	ssize_t sent = descriptors_send(connection, &filter, 1, text, used, 0);
	if (sent != (ssize_t)used)
		return fail(failure, STEP, "hand over");
	close(filter);
	close(connection);
	connection = -1;
	return 0;
}
