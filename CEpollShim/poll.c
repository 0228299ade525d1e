// Polling, wake-ups, signals: system calls that the Glibc module of Swift does not have.
#define _GNU_SOURCE
#include "CEpollShim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

_Static_assert(sizeof(ces_event) == sizeof(struct epoll_event), "the layout of an event");
_Static_assert(offsetof(ces_event, word) == offsetof(struct epoll_event, data), "the layout of an event");
_Static_assert(EPOLLIN == 0x1 && EPOLLOUT == 0x4 && EPOLLERR == 0x8 && EPOLLHUP == 0x10, "the numbers of events");
_Static_assert(EPOLLRDHUP == 0x2000, "the numbers of events");

int ces_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int poller, int operation, int fd, uint32_t events, uint64_t word) {
    struct epoll_event event = {.events = events, .data.u64 = word};
    return epoll_ctl(poller, operation, fd, &event) < 0 ? -errno : 0;
}

int ces_epoll_add(int poller, int fd, uint32_t events, uint64_t word) {
    return control(poller, EPOLL_CTL_ADD, fd, events, word);
}

int ces_epoll_modify(int poller, int fd, uint32_t events, uint64_t word) {
    return control(poller, EPOLL_CTL_MOD, fd, events, word);
}

int ces_epoll_remove(int poller, int fd) { return control(poller, EPOLL_CTL_DEL, fd, 0, 0); }

int ces_epoll_wait(int poller, ces_event *events, int count, int timeout_ms) {
    int ready = epoll_wait(poller, (struct epoll_event *)events, count, timeout_ms);
    return ready < 0 ? -errno : ready;
}

int ces_event_open(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int ces_semaphore_open(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    return fd < 0 ? -errno : fd;
}

int ces_event_add(int fd, uint64_t value) { return eventfd_write(fd, value) < 0 ? -errno : 0; }

int ces_event_take(int fd) {
    eventfd_t value;
    return eventfd_read(fd, &value) < 0 ? -errno : 0;
}

int ces_signals_open(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) {
        if (sigaddset(&set, signals[i]) < 0) return -errno;
    }
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) return -failure;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int ces_signals_read(int fd) {
    struct signalfd_siginfo info;
    ssize_t got = read(fd, &info, sizeof info);
    if (got < 0) return -errno;
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : -EAGAIN;
}

_Static_assert(sizeof(sigset_t) <= 128, "the caller's room for a signal mask is 128 bytes");

int ces_signals_block_all(void *saved) {
    sigset_t all, before;
    sigfillset(&all);
    int failure = pthread_sigmask(SIG_SETMASK, &all, &before);
    memcpy(saved, &before, sizeof before);
    return -failure;
}

int ces_signals_restore(const void *saved) {
    sigset_t before;
    memcpy(&before, saved, sizeof before);
    return -pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int ces_ignore_sigpipe(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &action, NULL) < 0 ? -errno : 0;
}
