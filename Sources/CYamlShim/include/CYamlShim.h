/// The events of a YAML text, read by libyaml. Swift cannot use its unions without unsafe code at every place; here
/// they become one flat structure. No policy: what the events mean is decided in Swift.
#ifndef CYAMLSHIM_H
#define CYAMLSHIM_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

enum cys_kind {
    CYS_END,
    CYS_SCALAR,
    CYS_MAPPING,
    CYS_MAPPING_END,
    CYS_SEQUENCE,
    CYS_SEQUENCE_END,
    CYS_ALIAS,
    CYS_DOCUMENT,
    /// What carries nothing: the stream's begin, a document's end.
    CYS_OTHER,
    /// The text is not YAML; the event's text says why. Nothing follows.
    CYS_FAILURE,
};

struct cys_event {
    enum cys_kind kind;
    /// Where it begins, from 1.
    size_t line;
    size_t column;
    /// Of a scalar or a failure. Valid until the next call.
    const char *_Nullable text;
    size_t count;
    /// A scalar that stands there without quotes.
    int is_plain;
};

struct cys_reader;

/// `bytes` must live until cys_close. NULL if there is no memory.
struct cys_reader *_Nullable cys_open(const uint8_t *_Nullable bytes, size_t count);
/// Fills `event`. After CYS_END and CYS_FAILURE only cys_close may be called.
void cys_next(struct cys_reader *reader, struct cys_event *event);
void cys_close(struct cys_reader *reader);

#pragma clang assume_nonnull end

#endif
