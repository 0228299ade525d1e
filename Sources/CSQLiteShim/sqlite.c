#include "CSQLiteShim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csq_file {
    sqlite3 *connection;
    sqlite3_stmt *put, *remove, *all;
    char message[256];
};

// "pand": tells this program's files from others (PRAGMA application_id).
#define APPLICATION 0x70616e64
#define VERSION 1

const char *csq_message(const csq_file *file) { return file->message; }

static csq_result say(csq_file *file, csq_result result, const char *text) {
    strncpy(file->message, text, sizeof file->message - 1);
    return result;
}

// "disk I/O error" alone does not tell a full disk from a broken one.
static csq_result say_cause(csq_file *file) {
    int number = sqlite3_system_errno(file->connection);
    snprintf(file->message, sizeof file->message, "%s%s%s", sqlite3_errmsg(file->connection), number ? ": " : "",
             number ? strerror(number) : "");
    return CSQ_FAILED;
}

static csq_result result_of(csq_file *file, int code) {
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return CSQ_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return say(file, CSQ_BUSY, sqlite3_errmsg(file->connection));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return say(file, CSQ_CORRUPT, sqlite3_errmsg(file->connection));
    default: return say_cause(file);
    }
}

static csq_result run(csq_file *file, const char *text) {
    return result_of(file, sqlite3_exec(file->connection, text, NULL, NULL, NULL));
}

static csq_result prepare(csq_file *file, const char *text, sqlite3_stmt **statement) {
    return result_of(file, sqlite3_prepare_v3(file->connection, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

// The number, or the word, that a pragma says.
static csq_result ask(csq_file *file, const char *text, int *number, char *word, size_t size) {
    sqlite3_stmt *statement = NULL;
    csq_result result = prepare(file, text, &statement);
    if (result == CSQ_OK) {
        result = result_of(file, sqlite3_step(statement));
        *number = sqlite3_column_int(statement, 0);
        const char *said = (const char *)sqlite3_column_text(statement, 0);
        if (word && said) strncpy(word, said, size - 1);
    }
    sqlite3_finalize(statement);
    return result;
}

static csq_result check(csq_file *file, int *is_new) {
    int application = 0, version = 0, tables = 0, ignored = 0;
    char word[200] = "";
    csq_result result = ask(file, "PRAGMA application_id", &application, NULL, 0);
    if (result == CSQ_OK) result = ask(file, "PRAGMA user_version", &version, NULL, 0);
    if (result == CSQ_OK) result = ask(file, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);
    if (result != CSQ_OK) return result;
    if (application != APPLICATION && (application != 0 || tables != 0))
        return say(file, CSQ_CORRUPT, "it is a database of another program");
    *is_new = tables == 0;
    if (version > VERSION) return say(file, CSQ_NEWER, "it was written by a later version");
    result = ask(file, "PRAGMA quick_check(1)", &ignored, word, sizeof word);
    if (result == CSQ_OK && strcmp(word, "ok") != 0) return say(file, CSQ_CORRUPT, word);
    return result;
}

static csq_result set_up(csq_file *file) {
    // Before anything is read: the lock is kept, and the log needs no shared memory.
    csq_result result = run(file, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON");
    int is_new = 1;
    if (result == CSQ_OK) result = check(file, &is_new);
    // A commit appends to the log and waits for the disk.
    if (result == CSQ_OK) result = run(file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    // What is there is left alone: on a disk that is full a server can still read what it knew.
    if (result == CSQ_OK && is_new)
        result = run(
            file,
            "BEGIN IMMEDIATE; PRAGMA application_id = 1885433444; PRAGMA user_version = 1;"
            "CREATE TABLE state (kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
            " PRIMARY KEY (kind, key)) WITHOUT ROWID; COMMIT");
    if (result == CSQ_OK) result = prepare(file, "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", &file->put);
    if (result == CSQ_OK) result = prepare(file, "DELETE FROM state WHERE kind = ? AND key = ?", &file->remove);
    if (result == CSQ_OK) result = prepare(file, "SELECT kind, key, value FROM state ORDER BY kind, key", &file->all);
    return result;
}

csq_result csq_open(const char *path, csq_file **opened) {
    csq_file *file = calloc(1, sizeof *file);
    *opened = file;
    if (!file) return CSQ_FAILED;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    csq_result result = result_of(file, sqlite3_open_v2(path, &file->connection, flags, NULL));
    return result == CSQ_OK ? set_up(file) : result;
}

void csq_close(csq_file *file) {
    sqlite3_finalize(file->put);
    sqlite3_finalize(file->remove);
    sqlite3_finalize(file->all);
    sqlite3_close(file->connection);
    free(file);
}

csq_result csq_begin(csq_file *file) { return run(file, "BEGIN IMMEDIATE"); }
csq_result csq_commit(csq_file *file) { return run(file, "COMMIT"); }

void csq_roll_back(csq_file *file) {
    if (!sqlite3_get_autocommit(file->connection)) sqlite3_exec(file->connection, "ROLLBACK", NULL, NULL, NULL);
}

// A blob of no bytes is still one: the pointer must not be NULL.
static int bind(sqlite3_stmt *statement, int place, const uint8_t *bytes, size_t size) {
    return sqlite3_bind_blob64(statement, place, bytes ? bytes : (const uint8_t *)"", size, SQLITE_STATIC);
}

static csq_result step(csq_file *file, sqlite3_stmt *statement) {
    csq_result result = result_of(file, sqlite3_step(statement));
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

csq_result csq_put(
    csq_file *file, int kind, const uint8_t *key, size_t key_size, const uint8_t *value, size_t value_size) {
    sqlite3_bind_int(file->put, 1, kind);
    bind(file->put, 2, key, key_size);
    bind(file->put, 3, value, value_size);
    return step(file, file->put);
}

csq_result csq_remove(csq_file *file, int kind, const uint8_t *key, size_t key_size) {
    sqlite3_bind_int(file->remove, 1, kind);
    bind(file->remove, 2, key, key_size);
    return step(file, file->remove);
}

csq_result csq_next(csq_file *file, csq_row *row, int *has_row) {
    int code = sqlite3_step(file->all);
    *has_row = code == SQLITE_ROW;
    if (code != SQLITE_ROW) {
        sqlite3_reset(file->all);
        return result_of(file, code);
    }
    row->kind = sqlite3_column_int(file->all, 0);
    row->key = sqlite3_column_blob(file->all, 1);
    row->key_size = (size_t)sqlite3_column_bytes(file->all, 1);
    row->value = sqlite3_column_blob(file->all, 2);
    row->value_size = (size_t)sqlite3_column_bytes(file->all, 2);
    return CSQ_OK;
}
