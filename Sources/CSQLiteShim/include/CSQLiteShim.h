/// Rows of a kind, a key and a value in a file of SQLite, in a form that Swift can use without its macros, destructors
/// and sentinels. No policy: what the rows say, when they are written, and what an error means is decided above.
#ifndef CSQLITESHIM_H
#define CSQLITESHIM_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef struct csq_file csq_file;

/// What a call came to.
typedef enum csq_result {
    CSQ_OK,
    /// Another process has the file.
    CSQ_BUSY,
    /// It is no such file, or it is damaged.
    CSQ_CORRUPT,
    /// It was written by a later version of this program.
    CSQ_NEWER,
    /// Anything else: a full or read-only disk, a missing folder.
    CSQ_FAILED
} csq_result;

/// The words for the last result that was not CSQ_OK: terminated, valid until the next call.
const char *csq_message(const csq_file *file);

/// Opens the file, makes it if it is missing, checks it, and keeps other processes out of it. `*file` is to be closed
/// even if this fails, unless it is NULL.
csq_result csq_open(const char *path, csq_file *_Nullable *_Nonnull file);
void csq_close(csq_file *file);

csq_result csq_begin(csq_file *file);
csq_result csq_put(
    csq_file *file, int kind, const uint8_t *_Nullable key, size_t key_size, const uint8_t *_Nullable value,
    size_t value_size);
csq_result csq_remove(csq_file *file, int kind, const uint8_t *_Nullable key, size_t key_size);
/// After this all since csq_begin outlives a loss of power.
csq_result csq_commit(csq_file *file);
void csq_roll_back(csq_file *file);

typedef struct csq_row {
    int kind;
    /// Valid until the next call.
    const uint8_t *_Nullable key;
    size_t key_size;
    const uint8_t *_Nullable value;
    size_t value_size;
} csq_row;

/// The next row, in the order of kinds and keys; the first one after csq_open. `*has_row` is 0 at the end.
csq_result csq_next(csq_file *file, csq_row *row, int *has_row);

#pragma clang assume_nonnull end

#endif
