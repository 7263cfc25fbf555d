/* Only in WEAKEN builds: see defence.h. */
#include "defence.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A test that forgets to say "go" must not leave a process behind. */
#define PAUSE_LIMIT_MS 20000

bool defended(const char *name)
{
	const char *off = getenv("WEAKEN");
	size_t length = strlen(name);
	while (off && *off) {
		size_t part = strcspn(off, ",");
		if (part == length && strncmp(off, name, length) == 0)
			return false;
		off += part + (off[part] == ',');
	}
	return true;
}

void race_point(const char *point)
{
	char path[PATH_MAX];
	struct stat about;
	struct timespec millisecond = { .tv_nsec = 1000000 };
	const char *wanted = getenv("WEAKEN_PAUSE");
	size_t length = strlen(point);
	if (!wanted || strncmp(wanted, point, length) != 0 || wanted[length] != ':')
		return;
	snprintf(path, sizeof path, "%s/reached", wanted + length + 1);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	snprintf(path, sizeof path, "%s/go", wanted + length + 1);
	for (int waited = 0; stat(path, &about) && waited < PAUSE_LIMIT_MS; waited++)
		nanosleep(&millisecond, NULL);
}
