// Many sends in one system call: a submission queue and a completion queue that are shared with the kernel (io_uring(7)),
// by bare system calls. Every send is MSG_DONTWAIT, so all of a batch are over when the one call returns. Readiness stays
// with epoll: this is nothing but a cheaper way to say `send` many times.
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { batch_max = 4096 };

// Ways to set it up, as letters on the command line.
struct batch_options {
    unsigned entries;   // sends in a call at most; 0: no batches
    int deferred;       // d: only this thread submits, and completions wait until it asks for them
    int cooperative;    // c: no interrupt of this thread for a completion
    int fixed_files;    // f: sockets are registered, so that no send looks one up and counts a reference
};

struct batch {
    struct batch_options options;
    int fd;
    unsigned queued;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *results;
    _Atomic unsigned *submission_tail, *completion_head, *completion_tail;
    unsigned submission_mask, completion_mask;
};

static struct batch batch;

static int batch_register(unsigned operation, const void *argument, unsigned count) {
    return syscall(SYS_io_uring_register, batch.fd, operation, argument, count);
}

static void batch_open(struct batch_options options, int sockets_max) {
    struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL};
    if (options.deferred) params.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    if (options.cooperative) params.flags |= IORING_SETUP_COOP_TASKRUN;
    batch.options = options;
    batch.fd = check(syscall(SYS_io_uring_setup, options.entries, &params), "io_uring_setup");
    size_t queue_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    size_t array_end = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    if (array_end > queue_bytes) queue_bytes = array_end;
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    char *queues = mmap(NULL, queue_bytes, protection, flags, batch.fd, IORING_OFF_SQ_RING);
    batch.entries = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), protection, flags, batch.fd,
                         IORING_OFF_SQES);
    if (queues == MAP_FAILED || batch.entries == MAP_FAILED) fail("mmap");
    batch.results = (struct io_uring_cqe *)(queues + params.cq_off.cqes);
    batch.submission_tail = (_Atomic unsigned *)(queues + params.sq_off.tail);
    batch.completion_head = (_Atomic unsigned *)(queues + params.cq_off.head);
    batch.completion_tail = (_Atomic unsigned *)(queues + params.cq_off.tail);
    batch.submission_mask = *(unsigned *)(queues + params.sq_off.ring_mask);
    batch.completion_mask = *(unsigned *)(queues + params.cq_off.ring_mask);
    // The entries are always taken in their order.
    for (unsigned index = 0; index < params.sq_entries; index++)
        ((unsigned *)(queues + params.sq_off.array))[index] = index;
    if (options.fixed_files) {
        int *none = malloc(sockets_max * sizeof *none);
        for (int index = 0; index < sockets_max; index++) none[index] = -1;
        check(batch_register(IORING_REGISTER_FILES, none, sockets_max), "IORING_REGISTER_FILES");
        free(none);
    }
}

// With registered sockets: the socket of that number, or that it is to be let go.
static void batch_know(int fd, int is_open) {
    if (!batch.options.fixed_files) return;
    int value = is_open ? fd : -1;
    struct io_uring_files_update update = {.offset = fd, .fds = (uintptr_t)&value};
    check(batch_register(IORING_REGISTER_FILES_UPDATE, &update, 1), "IORING_REGISTER_FILES_UPDATE");
}

// Returns whether the batch is full.
static int batch_add(int fd, const char *bytes, size_t count) {
    unsigned tail = atomic_load_explicit(batch.submission_tail, memory_order_relaxed);
    struct io_uring_sqe *entry = &batch.entries[tail & batch.submission_mask];
    *entry = (struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = fd, .addr = (uintptr_t)bytes, .len = count,
                                   .msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT, .user_data = fd};
    if (batch.options.fixed_files) entry->flags |= IOSQE_FIXED_FILE;
    atomic_store_explicit(batch.submission_tail, tail + 1, memory_order_release);
    return ++batch.queued == batch.options.entries;
}

// Sends all and tells of each what came of it: how many bytes, or -errno.
static void batch_send(void (*sent)(int fd, int result)) {
    unsigned wanted = batch.queued;
    while (batch.queued > 0) {
        int taken = syscall(SYS_io_uring_enter, batch.fd, batch.queued, wanted, IORING_ENTER_GETEVENTS, NULL, 0);
        if (taken < 0 && errno != EINTR) fail("io_uring_enter");
        if (taken > 0) batch.queued -= taken;
    }
    unsigned head = atomic_load_explicit(batch.completion_head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(batch.completion_tail, memory_order_acquire);
    if (tail - head != wanted) fail("a send has not ended");
    for (; head != tail; head++) {
        struct io_uring_cqe *result = &batch.results[head & batch.completion_mask];
        sent(result->user_data, result->res);
    }
    atomic_store_explicit(batch.completion_head, head, memory_order_release);
}
