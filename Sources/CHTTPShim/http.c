#include "CHTTPShim.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

// The parser tells fields by callbacks; they note where in the caller's bytes each one stands.
typedef struct reading {
    const char *bytes;
    chs_request *request;
    // Where the value of the present field goes; NULL if nobody asks for it.
    chs_range *field;
    int is_complete;
} reading;

static chs_range range_of(const reading *state, const char *at, size_t length) {
    return (chs_range){(uint32_t)(at - state->bytes), (uint32_t)(at - state->bytes + (ptrdiff_t)length)};
}

static int on_url(http_parser *parser, const char *at, size_t length) {
    reading *state = parser->data;
    state->request->target = range_of(state, at, length);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t length) {
    reading *state = parser->data;
    state->field = NULL;
    if (length == 4 && strncasecmp(at, "host", length) == 0) state->field = &state->request->host;
    if (length == 13 && strncasecmp(at, "authorization", length) == 0) state->field = &state->request->authorization;
    // What stands twice could be read in two ways.
    if (state->field != NULL && state->field->end > 0) state->request->is_ambiguous = 1;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length) {
    reading *state = parser->data;
    if (state->field == NULL) return 0;
    // A second piece of one value: it goes on in the next line.
    if (state->field->end > 0) state->request->is_ambiguous = 1;
    *state->field = range_of(state, at, length);
    return 0;
}

static int on_headers(http_parser *parser) {
    reading *state = parser->data;
    state->is_complete = 1;
    state->request->has_body =
        (parser->flags & F_CHUNKED) || (parser->content_length > 0 && parser->content_length != UINT64_MAX);
    if (state->request->has_body && !(parser->flags & F_CHUNKED))
        state->request->content_length = parser->content_length;
    // 2: what follows is not parsed, whatever it is.
    return 2;
}

ptrdiff_t chs_parse_request(const void *bytes, size_t count, chs_request *request) {
    *request = (chs_request){.method = CHS_OTHER};
    reading state = {.bytes = bytes, .request = request};
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers;
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &state;
    size_t parsed = http_parser_execute(&parser, &settings, bytes, count);
    if (!state.is_complete) return HTTP_PARSER_ERRNO(&parser) == HPE_OK && parsed == count ? 0 : -1;
    if (parser.method == HTTP_GET) request->method = CHS_GET;
    if (parser.method == HTTP_HEAD) request->method = CHS_HEAD;
    if (parser.method == HTTP_POST) request->method = CHS_POST;
    request->major_version = parser.http_major;
    request->minor_version = parser.http_minor;
    return (ptrdiff_t)parsed;
}
