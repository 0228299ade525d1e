// Many sends in one system call (io_uring(7)), by bare calls: the queues are memory shared with the kernel, which Swift
// cannot order its accesses to, and the calls are variadic. Nothing waits here: every send is MSG_DONTWAIT, so that it is
// over when the call that submits it returns.
#define _GNU_SOURCE
#include "CEpollShim.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ces_batch {
    int fd;
    uint32_t count;
    uint32_t tail, submission_mask, completion_mask;
    uint32_t *submission_tail, *completion_head, *completion_tail;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *completions;
    void *queues;
    size_t entries_bytes, queue_bytes;
};

static void *map(const ces_batch *batch, size_t size, uint64_t offset) {
    void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, batch->fd, (off_t)offset);
    return place == MAP_FAILED ? NULL : place;
}

ces_batch *ces_batch_open(uint32_t count, int *error) {
    ces_batch *batch = calloc(1, sizeof *batch);
    // One send that cannot even begin must not keep the others behind it from being taken.
    struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL};
    *error = -ENOMEM;
    if (batch == NULL) return NULL;
    batch->fd = (int)syscall(SYS_io_uring_setup, count, &params);
    if (batch->fd >= 0) {
        // Every kernel that knows the flag has both queues in one mapping.
        size_t completions_end = params.cq_off.cqes + params.cq_entries * sizeof *batch->completions;
        size_t array_end = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
        batch->queue_bytes = completions_end > array_end ? completions_end : array_end;
        batch->entries_bytes = params.sq_entries * sizeof *batch->entries;
        batch->queues = map(batch, batch->queue_bytes, IORING_OFF_SQ_RING);
        batch->entries = map(batch, batch->entries_bytes, IORING_OFF_SQES);
    }
    if (batch->queues == NULL || batch->entries == NULL) {
        *error = -errno;
        ces_batch_close(batch);
        return NULL;
    }
    char *queues = batch->queues;
    batch->submission_tail = (uint32_t *)(queues + params.sq_off.tail);
    batch->completion_head = (uint32_t *)(queues + params.cq_off.head);
    batch->completion_tail = (uint32_t *)(queues + params.cq_off.tail);
    batch->completions = (struct io_uring_cqe *)(queues + params.cq_off.cqes);
    batch->submission_mask = params.sq_entries - 1;
    batch->completion_mask = params.cq_entries - 1;
    // Entries are taken in their order, always.
    for (uint32_t i = 0; i < params.sq_entries; i++) ((uint32_t *)(queues + params.sq_off.array))[i] = i;
    return batch;
}

void ces_batch_close(ces_batch *batch) {
    if (batch->queues != NULL) munmap(batch->queues, batch->queue_bytes);
    if (batch->entries != NULL) munmap(batch->entries, batch->entries_bytes);
    if (batch->fd >= 0) close(batch->fd);
    free(batch);
}

int ces_batch_descriptor(const ces_batch *batch) { return batch->fd; }

void ces_batch_add(ces_batch *batch, int fd, const void *bytes, size_t count) {
    struct io_uring_sqe *entry = &batch->entries[(batch->tail + batch->count) & batch->submission_mask];
    *entry = (struct io_uring_sqe){
        .opcode = IORING_OP_SEND, .fd = fd, .addr = (uintptr_t)bytes, .len = (uint32_t)count,
        .msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT, .user_data = batch->count};
    batch->count++;
}

/// Returns how many results there were.
static uint32_t take_results(ces_batch *batch, int32_t *results) {
    uint32_t head = *batch->completion_head;
    uint32_t tail = __atomic_load_n(batch->completion_tail, __ATOMIC_ACQUIRE);
    for (uint32_t at = head; at != tail; at++) {
        struct io_uring_cqe *completion = &batch->completions[at & batch->completion_mask];
        results[completion->user_data] = completion->res;
    }
    __atomic_store_n(batch->completion_head, tail, __ATOMIC_RELEASE);
    return tail - head;
}

int ces_batch_send(ces_batch *batch, int32_t *results) {
    const int32_t unknown = INT32_MIN;
    uint32_t count = batch->count, taken = 0, ended = 0;
    int failure = 0;
    for (uint32_t i = 0; i < count; i++) results[i] = unknown;
    batch->count = 0;
    batch->tail += count;
    __atomic_store_n(batch->submission_tail, batch->tail, __ATOMIC_RELEASE);
    while (ended < count && failure == 0) {
        long now = syscall(
            SYS_io_uring_enter, batch->fd, count - taken, count - ended, IORING_ENTER_GETEVENTS, NULL, 0);
        if (now > 0) taken += (uint32_t)now;
        if (now < 0 && errno != EINTR) failure = -errno;
        ended += take_results(batch, results);
    }
    for (uint32_t i = 0; failure != 0 && i < count; i++) {
        if (results[i] == unknown) results[i] = i < taken ? -EIO : -EAGAIN;
    }
    return failure;
}
