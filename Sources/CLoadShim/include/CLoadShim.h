/// What the load generator needs of the system and Swift's Glibc module lacks. For tools only; no server is built with
/// it.
///
/// Every function that can fail returns a negated errno on failure.
#ifndef CLOADSHIM_H
#define CLOADSHIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma clang assume_nonnull begin

/// epoll_pwait2(2): like epoll_wait, with nanoseconds, so that a plan of sends can be kept without spinning. `events`
/// is an array of struct epoll_event.
int cls_epoll_wait(int poller, void *events, int count, uint64_t timeout_ns);
/// Memory that other processes map as well (memfd_create(2)); the descriptor survives exec.
int cls_memory_open(size_t size);
/// The kernel kills the calling process when the thread that started it is gone. -ESRCH if it is gone already.
int cls_die_with(pid_t parent);
/// The processors that the calling process may run on.
int cls_processors(void);
/// The port of a socket with a local address is chosen when it connects, so that only the four numbers together must
/// be unique (IP_BIND_ADDRESS_NO_PORT, ip(7)).
int cls_choose_port_late(int fd);
/// close(2) resets the connection, so that no port waits for a minute afterwards (SO_LINGER of 0).
int cls_reset_on_close(int fd);
/// CPU time of all threads of a process, those included that are gone; 0 if there is no such process.
uint64_t cls_process_cpu_ns(pid_t process);

/// A word that other processes read and write.
static inline uint64_t cls_load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void cls_store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }

#pragma clang assume_nonnull end

#endif
