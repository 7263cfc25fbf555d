/*
 * Makes system calls and says what came of each: `call NUMBER [ARGUMENT...] [, NUMBER ...]`. An argument is a number, `buf` for a
 * buffer of which text is printed afterwards, or anything else as text. A number that begins with `x86:` is one of the 32-bit
 * table. Prints `ok RESULT [TEXT]` or `errno NUMBER` per call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char buffer[4096];

static long call32(long number, const long *arguments)
{
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3]), "D"(arguments[4])
			 : "memory", "r8", "r9", "r10", "r11");
	if (result > -4096 && result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static long parse(char *text)
{
	char *end;
	long number = strtol(text, &end, 0);
	if (*end == 0)
		return number;
	return strcmp(text, "buf") ? (long)text : (long)buffer;
}

int main(int argc, char **argv)
{
	for (int at = 1; at < argc; at++) {
		int narrow = strncmp(argv[at], "x86:", 4) == 0;
		long number = strtol(argv[at] + (narrow ? 4 : 0), NULL, 0), a[6] = { 0 };
		for (int i = 0; ++at < argc && strcmp(argv[at], ",");)
			if (i < 6)
				a[i++] = parse(argv[at]);
		memset(buffer, 0, sizeof buffer);
		long result = narrow ? call32(number, a) : syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (result < 0)
			printf("errno %d\n", errno);
		else
			printf("ok %ld%s%s\n", result, *buffer ? " " : "", buffer);
		fflush(stdout);
	}
	return 0;
}
