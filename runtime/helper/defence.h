/*
 * Defences that tests switch off one at a time, to see that the attack each one stops works without it. Only the test build
 * (`make WEAKEN=1`) can do so: in every other one defended() is true at compile time, and the programs hold no trace of this.
 *
 * In the test build the environment says what is off: WEAKEN=NAME,NAME. WEAKEN_PAUSE=POINT:DIRECTORY stops whoever comes
 * to race_point(POINT): it makes DIRECTORY/reached and goes on when there is DIRECTORY/go.
 */
#pragma once

#ifdef WEAKENED
#include <stdbool.h>
#include <unistd.h>
bool defended(const char *name);
void race_point(const char *point);
/* What a monitor gets: the switches go on to it. */
#define MONITOR_ENVIRONMENT environ
#else
#define defended(name) 1
#define race_point(point) ((void)0)
#define MONITOR_ENVIRONMENT ((char *[]){ NULL })
#endif
