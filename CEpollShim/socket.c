// Sockets: with _GNU_SOURCE their address parameters are transparent unions, which Swift cannot pass; options are
// macros.
#define _GNU_SOURCE
#include "CEpollShim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t to_system(const ces_address *from, struct sockaddr_storage *to) {
    memset(to, 0, sizeof *to);
    if (from->family == 6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(from->port);
        six->sin6_scope_id = from->scope;
        memcpy(&six->sin6_addr, from->bytes, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)to;
    four->sin_family = AF_INET;
    four->sin_port = htons(from->port);
    memcpy(&four->sin_addr, from->bytes, 4);
    return sizeof *four;
}

/// Anything but IPv4 and IPv6 (a socket pair of a test) becomes family 0.
static void from_system(const struct sockaddr *from, ces_address *to) {
    memset(to, 0, sizeof *to);
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        to->family = 6;
        to->port = ntohs(six->sin6_port);
        to->scope = six->sin6_scope_id;
        memcpy(to->bytes, &six->sin6_addr, 16);
    } else if (from->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)from;
        to->family = 4;
        to->port = ntohs(four->sin_port);
        memcpy(to->bytes, &four->sin_addr, 4);
    }
}

int ces_tcp_socket(uint8_t family) {
    int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int ces_bind(int fd, const ces_address *address) {
    struct sockaddr_storage storage;
    socklen_t size = to_system(address, &storage);
    return bind(fd, (struct sockaddr *)&storage, size) < 0 ? -errno : 0;
}

int ces_listen(int fd, int backlog) { return listen(fd, backlog) < 0 ? -errno : 0; }

int ces_accept(int fd, ces_address *peer) {
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof storage;
    int accepted = accept4(fd, (struct sockaddr *)&storage, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return -errno;
    from_system((struct sockaddr *)&storage, peer);
    return accepted;
}

int ces_connect(int fd, const ces_address *address) {
    struct sockaddr_storage storage;
    socklen_t size = to_system(address, &storage);
    return connect(fd, (struct sockaddr *)&storage, size) < 0 ? -errno : 0;
}

int ces_local_address(int fd, ces_address *address) {
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &size) < 0) return -errno;
    from_system((struct sockaddr *)&storage, address);
    return 0;
}

int ces_peer_address(int fd, ces_address *address) {
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof storage;
    if (getpeername(fd, (struct sockaddr *)&storage, &size) < 0) return -errno;
    from_system((struct sockaddr *)&storage, address);
    return 0;
}

int ces_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) < 0 ? -errno : 0; }

int ces_close(int fd) { return close(fd) < 0 ? -errno : 0; }

int ces_take_socket_error(int fd) {
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) < 0 ? errno : value;
}

static int set_option(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int ces_set_reuse_address(int fd) { return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); }

int ces_set_v6_only(int fd, int on) { return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on); }

int ces_set_no_delay(int fd) { return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

int ces_set_keep_alive(int fd, int idle_seconds, int interval_seconds, int probes) {
    int result = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (result == 0) result = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
    if (result == 0) result = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_seconds);
    if (result == 0) result = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
    return result;
}

int ces_set_not_sent_low_water(int fd, int bytes) { return set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes); }

int ces_round_trip(int fd) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return -errno;
    return info.tcpi_rtt > INT32_MAX ? INT32_MAX : (int)info.tcpi_rtt;
}

ptrdiff_t ces_send(int fd, const void *bytes, size_t count) {
    ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

ptrdiff_t ces_receive(int fd, void *bytes, size_t count) {
    ssize_t got = recv(fd, bytes, count, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

int ces_parse_ip(const char *text, ces_address *address) {
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, address->bytes) == 1) {
        address->family = 4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, address->bytes) == 1) {
        address->family = 6;
        return 0;
    }
    return -EINVAL;
}

int ces_format_ip(const ces_address *address, char *text, size_t size) {
    int family = address->family == 6 ? AF_INET6 : AF_INET;
    return inet_ntop(family, address->bytes, text, (socklen_t)size) == NULL ? -errno : 0;
}

int ces_resolve(const char *host, uint16_t port, ces_address *addresses, int count, int *cause) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    int failure = getaddrinfo(host, service, &hints, &found);
    *cause = failure == EAI_SYSTEM ? errno : 0;
    if (failure != 0) return failure < 0 ? failure : -failure;
    int written = 0;
    for (struct addrinfo *each = found; each != NULL && written < count; each = each->ai_next) {
        from_system(each->ai_addr, &addresses[written]);
        if (addresses[written].family != 0) written++;
    }
    freeaddrinfo(found);
    return written;
}

const char *ces_resolve_text(int code) { return gai_strerror(code); }

int ces_unacknowledged(int fd) {
    int count = 0;
    return ioctl(fd, SIOCOUTQ, &count) == 0 ? count : -errno;
}
