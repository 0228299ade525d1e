// The process: mirrored memory, limits, clocks, random bytes, error texts.
#define _GNU_SOURCE
#include "CEpollShim.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/// Reserves twice the size first, so that nothing else can be mapped in between, then lays the file over both halves.
void *ces_mirror_map(size_t size, int *error) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    if (fd < 0) {
        *error = -errno;
        return NULL;
    }
    char *base = MAP_FAILED;
    int ok = ftruncate(fd, (off_t)size) == 0;
    if (ok) base = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ok = ok && base != MAP_FAILED;
    for (int half = 0; ok && half < 2; half++) {
        void *mapped = mmap(base + (size_t)half * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        ok = mapped != MAP_FAILED;
    }
    *error = ok ? 0 : -errno;
    if (!ok && base != MAP_FAILED) munmap(base, 2 * size);
    close(fd);
    return ok ? base : NULL;
}

void ces_mirror_unmap(void *base, size_t size) { munmap(base, 2 * size); }

size_t ces_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

int64_t ces_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur;
}

uint64_t ces_monotonic_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t ces_thread_cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int64_t ces_realtime_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int ces_random(void *bytes, size_t count) {
    size_t done = 0;
    while (done < count) {
        ssize_t got = getrandom((char *)bytes + done, count - done, 0);
        if (got < 0 && errno != EINTR) return -errno;
        if (got > 0) done += (size_t)got;
    }
    return 0;
}

const char *ces_error_text(int code, char *text, size_t size) { return strerror_r(code, text, size); }
