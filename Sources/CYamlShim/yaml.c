#include "CYamlShim.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct cys_reader {
    yaml_parser_t parser;
    yaml_event_t event;
    int has_event;
};

struct cys_reader *cys_open(const uint8_t *bytes, size_t count) {
    struct cys_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    if (!yaml_parser_initialize(&reader->parser)) {
        free(reader);
        return NULL;
    }
    yaml_parser_set_input_string(&reader->parser, bytes ? bytes : (const uint8_t *)"", count);
    return reader;
}

static enum cys_kind kind_of(yaml_event_type_t type) {
    switch (type) {
    case YAML_STREAM_END_EVENT: return CYS_END;
    case YAML_SCALAR_EVENT: return CYS_SCALAR;
    case YAML_MAPPING_START_EVENT: return CYS_MAPPING;
    case YAML_MAPPING_END_EVENT: return CYS_MAPPING_END;
    case YAML_SEQUENCE_START_EVENT: return CYS_SEQUENCE;
    case YAML_SEQUENCE_END_EVENT: return CYS_SEQUENCE_END;
    case YAML_ALIAS_EVENT: return CYS_ALIAS;
    case YAML_DOCUMENT_START_EVENT: return CYS_DOCUMENT;
    default: return CYS_OTHER;
    }
}

static void fill_failure(const yaml_parser_t *parser, struct cys_event *event) {
    event->kind = CYS_FAILURE;
    event->line = parser->problem_mark.line + 1;
    event->column = parser->problem_mark.column + 1;
    event->text = parser->problem ? parser->problem : "not readable";
    event->count = strlen(event->text);
    event->is_plain = 0;
}

void cys_next(struct cys_reader *reader, struct cys_event *event) {
    if (reader->has_event) yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event);
    if (!reader->has_event) {
        fill_failure(&reader->parser, event);
        return;
    }
    const yaml_event_t *found = &reader->event;
    event->kind = kind_of(found->type);
    event->line = found->start_mark.line + 1;
    event->column = found->start_mark.column + 1;
    event->text = "";
    event->count = 0;
    event->is_plain = 0;
    if (event->kind == CYS_SCALAR) {
        event->text = (const char *)found->data.scalar.value;
        event->count = found->data.scalar.length;
        event->is_plain = found->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    }
}

void cys_close(struct cys_reader *reader) {
    if (reader->has_event) yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
    free(reader);
}
