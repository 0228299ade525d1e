// What the load generator needs of the system.
#define _GNU_SOURCE
#include "CLoadShim.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int cls_epoll_wait(int poller, void *events, int count, uint64_t timeout_ns) {
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    int ready = epoll_pwait2(poller, events, count, &timeout, NULL);
    return ready < 0 ? -errno : ready;
}

int cls_memory_open(size_t size) {
    int fd = memfd_create("pando-load", 0);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)size) == 0) return fd;
    int cause = errno;
    close(fd);
    return -cause;
}

int cls_die_with(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

int cls_processors(void) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) return 1;
    return CPU_COUNT(&allowed);
}

int cls_choose_port_late(int fd) {
    int on = 1;
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ? -errno : 0;
}

int cls_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ? -errno : 0;
}

uint64_t cls_process_cpu_ns(pid_t process) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}
