/// The head of an HTTP request, read by the parser of Node.js (http-parser), in a form that Swift can read. No policy,
/// and no state from one call to the next.
#ifndef CHTTPSHIM_H
#define CHTTPSHIM_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Part of the bytes that were parsed; empty if it was not there.
typedef struct chs_range {
    uint32_t start;
    uint32_t end;
} chs_range;

typedef enum chs_method { CHS_OTHER, CHS_GET, CHS_HEAD, CHS_POST } chs_method;

typedef struct chs_request {
    chs_method method;
    uint16_t major_version;
    uint16_t minor_version;
    /// A body follows the head.
    uint8_t has_body;
    /// The bytes of that body; 0 if it does not say.
    uint64_t content_length;
    /// A field that may stand once stands more often, or is continued on a second line.
    uint8_t is_ambiguous;
    chs_range target;
    chs_range host;
    chs_range authorization;
} chs_request;

/// Returns the number of bytes of the head, the empty line included; 0 if it is not complete; -1 if this is no request.
ptrdiff_t chs_parse_request(const void *bytes, size_t count, chs_request *request);

#pragma clang assume_nonnull end

#endif
