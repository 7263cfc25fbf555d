/*
 * A wire with a length, for kernels without netem: makes a TAP device, and what comes out of it goes back into it after
 * DELAY_MS, more or less JITTER_MS, in the order it came. It ends when the device is deleted, and the device with it.
 * Prints a line when the device is there.
 *
 * Usage: relay DEVICE DELAY_MS JITTER_MS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Under way at once: at 1500 bytes a frame 12 MB. What comes while it is full is lost, as in any queue of a wire. */
#define FRAMES 8192
/* The largest MTU, an Ethernet header and a VLAN tag. */
#define FRAME_BYTES (65535 + 18)

struct frame {
	long long due_us;
	ssize_t length;
	char *bytes;
};

static struct frame queue[FRAMES];
static unsigned head, tail; /* The oldest one; where the next one goes. */

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	perror(what);
	exit(1);
}

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	must(device < 0, "/dev/net/tun");
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	must(ioctl(device, TUNSETIFF, &request) < 0, name);
	return device;
}

/* All that waits in the device; a frame is due no earlier than the one before it, so that none overtakes. */
static void take(int device, long long delay_us, long long jitter_us)
{
	static char bytes[FRAME_BYTES];
	static long long last_us;
	ssize_t length;

	while ((length = read(device, bytes, sizeof bytes)) > 0) {
		long long due_us = now_us() + delay_us;

		if (tail - head == FRAMES)
			continue;
		if (jitter_us > 0)
			due_us += (long long)(drand48() * 2 * jitter_us) - jitter_us;
		last_us = due_us > last_us ? due_us : last_us;
		struct frame *next = &queue[tail++ % FRAMES];
		next->due_us = last_us;
		next->length = length;
		next->bytes = malloc(length);
		must(!next->bytes, "malloc");
		memcpy(next->bytes, bytes, length);
	}
}

static void send_due(int device)
{
	for (; head != tail && queue[head % FRAMES].due_us <= now_us(); head++) {
		struct frame *frame = &queue[head % FRAMES];

		/* A device that is down takes nothing: the frame is lost, as behind a wire that was pulled. */
		if (write(device, frame->bytes, frame->length) < 0 && errno != EIO && errno != EAGAIN)
			exit(errno == EBADFD ? 0 : 1);
		free(frame->bytes);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: relay DEVICE DELAY_MS JITTER_MS\n");
		return 2;
	}
	long long delay_us = atoll(argv[2]) * 1000, jitter_us = atoll(argv[3]) * 1000;
	struct pollfd wait = { .fd = open_device(argv[1]), .events = POLLIN };

	printf("%s\n", argv[1]);
	must(fflush(stdout) != 0, "stdout");
	/* Nobody is left to read. */
	must(!freopen("/dev/null", "w", stdout), "/dev/null");
	for (;;) {
		long long left_us = head == tail ? 1000000000LL : queue[head % FRAMES].due_us - now_us();
		struct timespec left = { left_us > 0 ? left_us / 1000000 : 0, left_us > 0 ? left_us % 1000000 * 1000 : 0 };

		must(ppoll(&wait, 1, &left, NULL) < 0 && errno != EINTR, "ppoll");
		if (wait.revents & (POLLERR | POLLHUP))
			return 0;
		take(wait.fd, delay_us, jitter_us);
		send_due(wait.fd);
	}
}
