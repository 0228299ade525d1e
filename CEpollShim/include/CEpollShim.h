/// What Swift cannot call itself: macros, variadic functions, transparent unions. No policy lives here.
#ifndef CEPOLLSHIM_H
#define CEPOLLSHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sys/epoll.h>

#endif
