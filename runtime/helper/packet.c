#include "packet.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int packet_send(int link, const void *frame, size_t length, struct failure *failure)
{
	struct ethhdr header;
	if (length < sizeof header || length > ETH_FRAME_LEN)
		return fail_with(failure, EMSGSIZE, "send frame", "it is no Ethernet frame");
	memcpy(&header, frame, sizeof header);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = link, .sll_protocol = header.h_proto };
	/* Protocol 0: it receives nothing. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(failure, "packet socket", NULL);
	ssize_t sent = sendto(fd, frame, length, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
	if (sent < 0)
		fail(failure, "send frame", NULL);
	close(fd);
	return sent < 0 ? -1 : 0;
}
