/*
 * How a step that did not work is reported: the step's name, errno, and what it was about. A failure travels to
 * TypeScript unchanged (tags STEP, ERRNO, DETAIL), which words it for people.
 */
#pragma once

struct failure {
	int error;
	char step[48];
	char detail[208];
};

/* Records the failure (errno as it is now) and returns -1, so that callers can `return fail(...)`. */
int fail(struct failure *failure, const char *step, const char *detail);

/* The same with an error of the caller's choice. */
int fail_with(struct failure *failure, int error, const char *step, const char *detail);
