#include "execute.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static char **collect(const uint8_t *payload, size_t length, uint16_t tag, char **list, size_t *count)
{
	struct tlv item;
	size_t offset = 0;
	while (list && payload && tlv_next(payload, length, &offset, &item) == 1) {
		if (item.tag != tag)
			continue;
		char **longer = realloc(list, (*count + 2) * sizeof *list);
		char *text = longer ? strndup((const char *)item.value, item.length) : NULL;
		if (!text)
			return NULL;
		list = longer;
		list[(*count)++] = text;
		list[*count] = NULL;
	}
	return list;
}

static char **empty_list(void) { return calloc(1, sizeof(char *)); }

/* Drops every NAME=... that is set again further on. */
static void keep_last(char **list, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		size_t name = strcspn(list[i], "=") + 1;
		size_t later = i + 1;
		while (later < count && strncmp(list[i], list[later], name) != 0)
			later++;
		if (later == count)
			list[kept++] = list[i];
	}
	list[kept] = NULL;
}

static const char *path_of(char **environment)
{
	for (; *environment; environment++)
		if (strncmp(*environment, "PATH=", 5) == 0)
			return *environment + 5;
	return DEFAULT_PATH;
}

static int is_directory(const char *path)
{
	struct stat about;
	return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Tries each directory of PATH; EACCES counts only when no other one has the program. */
static int execute_in_path(char **arguments, char **environment)
{
	char file[PATH_MAX];
	int error = ENOENT;
	const char *path = path_of(environment);
	while (*path) {
		size_t length = strcspn(path, ":");
		int fits = snprintf(file, sizeof file, "%.*s/%s", length ? (int)length : 1, length ? path : ".", arguments[0]);
		if (fits > 0 && fits < (int)sizeof file && !is_directory(file)) {
			execve(file, arguments, environment);
			if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
				return errno;
			if (errno == EACCES)
				error = EACCES;
		}
		path += length + (path[length] == ':');
	}
	return error;
}

int execute_program(char **arguments, char **environment, struct failure *failure)
{
	int error;
	if (!strchr(arguments[0], '/')) {
		error = execute_in_path(arguments, environment);
	} else if (is_directory(arguments[0])) {
		error = EISDIR;
	} else {
		execve(arguments[0], arguments, environment);
		error = errno;
	}
	return fail_with(failure, error, "exec", arguments[0]);
}

int execute(const struct spawn *spawn, int init, struct failure *failure)
{
	const uint8_t *source = spawn->exec ? spawn->exec : spawn->container;
	size_t source_length = spawn->exec ? spawn->exec_length : spawn->container_length;
	size_t argument_count = 1, variable_count = 0;
	/* In front of the arguments stands the name that init goes by; without init it is skipped. */
	char **named = calloc(2, sizeof *named);
	if (named)
		named[0] = INIT_NAME;
	named = collect(source, source_length, TAG_ARG, named, &argument_count);
	char **environment = collect(spawn->container, spawn->container_length, TAG_ENV, empty_list(), &variable_count);
	environment = collect(spawn->exec, spawn->exec_length, TAG_ENV, environment, &variable_count);
	if (!named || !environment)
		return fail_with(failure, ENOMEM, "arguments", NULL);
	if (argument_count == 1 || !*named[1])
		return fail_with(failure, ENOENT, "exec", "");
	keep_last(environment, variable_count);
	if (init < 0)
		return execute_program(named + 1, environment, failure);
	syscall(SYS_execveat, init, "", named, environment, AT_EMPTY_PATH);
	return fail(failure, "execute init", NULL);
}
