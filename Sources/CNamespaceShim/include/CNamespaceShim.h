/// Network namespaces and TUN devices: system calls that Swift's Glibc module lacks or that are variadic. For tests
/// and tools only; no server is built with it.
///
/// Every function returns a negated errno on failure.
#ifndef CNAMESPACESHIM_H
#define CNAMESPACESHIM_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Opens the network namespace that the calling thread is in.
int cns_current(void);
/// Moves the calling thread to a network namespace, or to a new one.
int cns_enter(int space);
int cns_enter_new(void);
/// Switches the loopback device of the calling thread's namespace on.
int cns_raise_loopback(void);
/// Makes a TUN device in the calling thread's namespace, with this IPv4 address (host order) in a network of
/// `prefix` bits, and switches it on. The descriptor gives and takes a packet a call and does not block. The device
/// lives as long as the descriptor, and so does the namespace.
int cns_open_tunnel(const char *name, uint32_t address, int prefix, int queue_length);

#pragma clang assume_nonnull end

#endif
