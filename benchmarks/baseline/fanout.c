// The yardstick: the fan-out in bare C, with as little around it as possible. It logs clients in, turns each activity
// into its broadcast and sends it to everybody: one epoll, one shared ring that is mapped twice in a row, a cursor for
// each client, one send for each client and turn, the socket options of pando-server. Nothing is checked that a
// generator of load would not do wrong: this is no server for anybody else.
//
//     cc -O2 -o fanout fanout.c && ./fanout PORT
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ring_bytes = 8 << 20,
    receive_bytes = 64 << 10,
    events_max = 512,
    accepts_max = 64,
    clients_max = 20000,
    not_sent_low_water = 16 << 10
};

// 32 bytes. A client that waits for writability is `blocked`; one that has not logged in has no place in `live`.
struct client {
    uint64_t cursor;
    char *part;
    uint32_t part_bytes;
    uint32_t index;
    uint32_t blocked;
};

static struct client clients[clients_max];
static int live[clients_max];
static uint32_t live_count;
static char *ring;
static uint64_t end, flushed;
static int poller;

static void fail(const char *call) {
    perror(call);
    exit(1);
}

static int check(int result, const char *call) {
    if (result < 0) fail(call);
    return result;
}

#include "batch.h"

static void map_ring(void) {
    int fd = check(memfd_create("ring", 0), "memfd_create");
    check(ftruncate(fd, ring_bytes), "ftruncate");
    ring = mmap(NULL, 2 * (size_t)ring_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int half = 0; half < 2; half++) {
        char *place = ring + half * (size_t)ring_bytes;
        if (mmap(place, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != place) fail("mmap");
    }
    close(fd);
}

static void append(const char *bytes, size_t count) {
    memcpy(ring + end % ring_bytes, bytes, count);
    end += count;
}

static void control(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    check(epoll_ctl(poller, operation, fd, &event), "epoll_ctl");
}

static void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

static void drop(int fd) {
    struct client *client = &clients[fd];
    if (client->index != UINT32_MAX) {
        live[client->index] = live[--live_count];
        clients[live[client->index]].index = client->index;
        batch_know(fd, 0);
    }
    free(client->part);
    close(fd);
}

static void accept_some(int listener) {
    for (int count = 0; count < accepts_max; count++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 120);
        set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 30);
        set(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
        clients[fd] = (struct client){.index = UINT32_MAX};
        control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP);
    }
}

// What a send came to: that many bytes, or -errno. Returns 0 if the client is gone.
static int advance(int fd, ssize_t sent) {
    struct client *client = &clients[fd];
    if (sent < 0) {
        if (sent != -EAGAIN) return 0;
        sent = 0;
    }
    client->cursor += sent;
    if (client->cursor != end && !client->blocked) {
        client->blocked = 1;
        control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
    }
    return 1;
}

// Everything between the client's cursor and the end, in one send. Returns 0 if the client is gone.
static int deliver(int fd) {
    struct client *client = &clients[fd];
    if (end - client->cursor > ring_bytes) return 0;
    size_t count = end - client->cursor;
    ssize_t sent = send(fd, ring + client->cursor % ring_bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return advance(fd, sent < 0 ? -errno : sent);
}

static void log_in(int fd) {
    static const char reply[] = "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"logged in as user anonymous\"}\n";
    struct client *client = &clients[fd];
    if (client->index != UINT32_MAX) return;
    set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent_low_water);
    if (send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL) < 0) return;
    client->cursor = end;
    client->index = live_count;
    live[live_count++] = fd;
    batch_know(fd, 1);
}

// {"command":"ACTIVITY_MESSAGE",…,"activity":{…}}: the activity is taken to be the last member.
static void take_line(int fd, const char *line, size_t count) {
    static const char head[] = "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":";
    static const char tail[] = ",\"authenticated_user\":\"anonymous\"}}\n";
    static const char key[] = "\"activity\":";
    const char *activity = memmem(line, count, key, sizeof key - 1);
    if (activity == NULL) return log_in(fd);
    activity += sizeof key - 1;
    append(head, sizeof head - 1);
    append(activity, line + count - 2 - activity);
    append(tail, sizeof tail - 1);
}

static void take_input(int fd) {
    static char buffer[receive_bytes];
    struct client *client = &clients[fd];
    size_t kept = client->part_bytes;
    memcpy(buffer, client->part, kept);
    ssize_t count = recv(fd, buffer + kept, sizeof buffer - kept, 0);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN) drop(fd);
        return;
    }
    char *line = buffer, *stop = buffer + kept + count, *newline;
    while ((newline = memchr(line, '\n', stop - line)) != NULL) {
        take_line(fd, line, newline - line);
        line = newline + 1;
    }
    free(client->part);
    client->part_bytes = stop - line;
    client->part = stop == line ? NULL : malloc(stop - line);
    memcpy(client->part, line, stop - line);
}

static void delivered(int fd, int result) {
    if (!advance(fd, result)) drop(fd);
}

// The same as deliver, of many at once: all of a batch have been sent before anything else is looked at.
static void deliver_later(int fd) {
    struct client *client = &clients[fd];
    if (end - client->cursor > ring_bytes) return drop(fd);
    if (batch_add(fd, ring + client->cursor % ring_bytes, end - client->cursor)) batch_send(delivered);
}

static void flush_all(void) {
    if (flushed == end) return;
    flushed = end;
    // From the last to the first: whoever takes the place of one that is dropped has had its turn.
    for (uint32_t index = live_count; index-- > 0;) {
        int fd = live[index];
        if (clients[fd].blocked) continue;
        if (batch.options.entries > 0) {
            deliver_later(fd);
        } else if (!deliver(fd)) {
            drop(fd);
        }
    }
    if (batch.queued > 0) batch_send(delivered);
}

static int listen_at(int port) {
    int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(fd, 4096), "listen");
    return fd;
}

static void open_batch(int entries, const char *letters) {
    struct batch_options options = {
        .entries = entries, .deferred = strchr(letters, 'd') != NULL, .cooperative = strchr(letters, 'c') != NULL,
        .fixed_files = strchr(letters, 'f') != NULL};
    if (entries > 0) batch_open(options, clients_max);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) return fprintf(stderr, "usage: fanout PORT [SENDS-IN-A-BATCH [dcf]]\n"), 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    map_ring();
    if (argc > 2) open_batch(atoi(argv[2]), argc > 3 ? argv[3] : "");
    poller = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    int listener = listen_at(atoi(argv[1]));
    control(EPOLL_CTL_ADD, listener, EPOLLIN);
    printf("ready on 127.0.0.1:%s\n", argv[1]);
    fflush(stdout);
    static struct epoll_event events[events_max];
    for (;;) {
        int count = epoll_wait(poller, events, events_max, -1);
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            if (fd == listener) {
                accept_some(listener);
                continue;
            }
            if (events[index].events & EPOLLOUT) {
                clients[fd].blocked = 0;
                control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP);
                if (clients[fd].cursor != end && !deliver(fd)) {
                    drop(fd);
                    continue;
                }
            }
            if (events[index].events & ~EPOLLOUT) take_input(fd);
        }
        flush_all();
    }
}
