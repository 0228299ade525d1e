// How far the other end of a TCP connection is. In a file of its own: linux/tcp.h has the newer fields of tcp_info, and
// cannot be included beside netinet/tcp.h.
#include "CEpollShim.h"

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

int ces_progress(int fd, ces_output_progress *progress) {
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    socklen_t size = sizeof info;
    // 6 is IPPROTO_TCP.
    if (getsockopt(fd, 6, TCP_INFO, &info, &size) != 0) return -errno;
    progress->acknowledged = info.tcpi_bytes_acked;
    progress->in_flight = info.tcpi_unacked;
    progress->retransmits = info.tcpi_retransmits;
    progress->last_acknowledged_ms = info.tcpi_last_ack_recv;
    return 0;
}
