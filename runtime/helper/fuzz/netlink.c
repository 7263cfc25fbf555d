/* Any bytes as the kernel's answer: the helper must find its end, or give up, within the bounds of a frame. */
#define socket fuzz_socket
#define setsockopt fuzz_setsockopt
#define bind fuzz_bind
#define sendto fuzz_sendto
#define recv fuzz_recv
#define poll fuzz_poll
#define close fuzz_close
#include "../netlink.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *left;
static size_t left_size;
static bool waited;

int fuzz_socket(int family, int type, int protocol) { return (void)family, (void)type, protocol + 3; }
int fuzz_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	return (void)fd, (void)level, (void)name, (void)value, (void)length, 0;
}
int fuzz_bind(int fd, const struct sockaddr *address, socklen_t length) { return (void)fd, (void)address, (void)length, 0; }
int fuzz_close(int fd) { return (void)fd, 0; }

ssize_t fuzz_sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size)
{
	(void)fd, (void)data, (void)flags, (void)to, (void)size;
	return (ssize_t)length;
}

/* Datagrams of a length that stands in front of each; then nothing more comes. */
ssize_t fuzz_recv(int fd, void *to, size_t length, int flags)
{
	(void)fd, (void)flags;
	if (left_size < 2) {
		errno = EAGAIN;
		return -1;
	}
	size_t told = (size_t)(left[0] | left[1] << 8) % (RECEIVE_CHUNK + 2);
	left += 2;
	left_size -= 2;
	size_t piece = told < left_size ? told : left_size;
	memcpy(to, left, piece < length ? piece : length);
	left += piece;
	left_size -= piece;
	return told > length ? (ssize_t)told : (ssize_t)piece;
}

int fuzz_poll(struct pollfd *files, nfds_t count, int timeout)
{
	(void)files, (void)count, (void)timeout;
	waited = true;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer reply = { 0 };
	struct failure failure = { 0 };
	left = data;
	left_size = size;
	waited = false;
	for (int i = 0; i < PROTOCOLS; i++)
		own_sockets[i] = -1;
	int result = netlink_exchange(NULL, 0, "", 0, &reply, &failure);
	if ((result == 0) == (failure.error != 0) || (waited && result == 0) || buffer_used(&reply) > FRAME_LIMIT + RECEIVE_CHUNK)
		abort();
	buffer_free(&reply);
	return 0;
}
