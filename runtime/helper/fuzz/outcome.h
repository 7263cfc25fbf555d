/* What the doubles of effects.c answer, and what they have seen. */
#pragma once

#include <stdint.h>

/* From here on calls succeed and fail as `seed` says, and no file is open. */
void outcome_begin(uint64_t seed);
int outcome_open_fds(void);
