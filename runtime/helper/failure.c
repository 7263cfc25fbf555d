#include "failure.h"

#include <errno.h>
#include <stdio.h>

int fail_with(struct failure *failure, int error, const char *step, const char *detail)
{
	failure->error = error;
	snprintf(failure->step, sizeof failure->step, "%s", step);
	snprintf(failure->detail, sizeof failure->detail, "%s", detail ? detail : "");
	return -1;
}

int fail(struct failure *failure, const char *step, const char *detail)
{
	return fail_with(failure, errno ? errno : EINVAL, step, detail);
}
