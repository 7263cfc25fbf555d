/* The event loop of helper and monitor: one thread, epoll, a few timers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct source {
	int fd;
	void (*ready)(struct source *source, uint32_t events);
	uint32_t events;
	bool added;
	/* Set by loop_forget while its event may still be in the current batch. */
	bool dead;
	struct source *next_dead;
	void (*release)(struct source *source);
};

/* One per thing that waits for a time; not armed when `at` is 0. */
struct timer {
	uint64_t at_ms;
	void (*fire)(struct timer *timer);
	struct timer *next;
};

int loop_init(void);
/* Watches `source->fd` for `events` (0: stops listening, as long as what it feeds is full). */
int loop_watch(struct source *source, uint32_t events);
/* Stops watching and, once no event can refer to it any more, calls `release`. Closes nothing. */
void loop_forget(struct source *source);
void timer_set(struct timer *timer, uint64_t delay_ms);
void timer_clear(struct timer *timer);
/* Runs until loop_stop. */
int loop_run(void);
void loop_stop(void);

uint64_t monotonic_ms(void);
uint64_t wall_ms(void);
