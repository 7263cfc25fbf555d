#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>

#define BATCH 32

static int poller = -1;
static bool running;
static struct timer *timers;
/* In the order of their forgetting: a container is released after the sources it holds. */
static struct source *dead, **dead_end = &dead;

static uint64_t read_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t monotonic_ms(void) { return read_ms(CLOCK_MONOTONIC); }
uint64_t wall_ms(void) { return read_ms(CLOCK_REALTIME); }

int loop_init(void)
{
	poller = epoll_create1(EPOLL_CLOEXEC);
	return poller < 0 ? -1 : 0;
}

int loop_watch(struct source *source, uint32_t events)
{
	if (source->dead || (source->added && source->events == events))
		return 0;
	if (events == 0) {
		/* Even a mask of 0 reports hang-ups, again and again. */
		if (source->added)
			epoll_ctl(poller, EPOLL_CTL_DEL, source->fd, NULL);
		source->added = false;
		source->events = 0;
		return 0;
	}
	struct epoll_event event = { .events = events, .data.ptr = source };
	if (epoll_ctl(poller, source->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event))
		return -1;
	source->added = true;
	source->events = events;
	return 0;
}

void loop_forget(struct source *source)
{
	if (source->dead)
		return;
	if (source->added)
		epoll_ctl(poller, EPOLL_CTL_DEL, source->fd, NULL);
	source->added = false;
	source->dead = true;
	source->next_dead = NULL;
	*dead_end = source;
	dead_end = &source->next_dead;
}

void timer_clear(struct timer *timer)
{
	for (struct timer **link = &timers; *link; link = &(*link)->next)
		if (*link == timer) {
			*link = timer->next;
			break;
		}
	timer->at_ms = 0;
}

void timer_set(struct timer *timer, uint64_t delay_ms)
{
	timer_clear(timer);
	timer->at_ms = monotonic_ms() + delay_ms;
	timer->next = timers;
	timers = timer;
}

static int until_next_timer(void)
{
	uint64_t now = monotonic_ms(), nearest = UINT64_MAX;
	for (struct timer *timer = timers; timer; timer = timer->next)
		if (timer->at_ms < nearest)
			nearest = timer->at_ms;
	if (nearest == UINT64_MAX)
		return -1;
	uint64_t wait = nearest > now ? nearest - now : 0;
	return wait > INT_MAX ? INT_MAX : (int)wait;
}

static void fire_timers(void)
{
	uint64_t now = monotonic_ms();
	for (struct timer *timer = timers; timer;) {
		if (timer->at_ms > now) {
			timer = timer->next;
			continue;
		}
		timer_clear(timer);
		timer->fire(timer);
		timer = timers; /* the list may have changed */
	}
}

static void bury(void)
{
	while (dead) {
		struct source *source = dead;
		dead = source->next_dead;
		if (!dead)
			dead_end = &dead;
		if (source->release)
			source->release(source);
	}
}

int loop_run(void)
{
	struct epoll_event events[BATCH];
	running = true;
	while (running) {
		int count = epoll_wait(poller, events, BATCH, until_next_timer());
		if (count < 0 && errno != EINTR)
			return -1;
		for (int i = 0; i < count && running; i++) {
			struct source *source = events[i].data.ptr;
			if (!source->dead)
				source->ready(source, events[i].events);
		}
		fire_timers();
		bury();
	}
	return 0;
}

void loop_stop(void) { running = false; }
