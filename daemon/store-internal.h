/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the store share: statements with typed values, and atomic steps that nest. */
#pragma once

#include "store.h"
#include <sqlite3.h>

struct Store {
        sqlite3 *db;
        char *path;
        bool has_reserve;
        bool in_transaction; /* between store_begin() and its end */
};

typedef sqlite3_stmt Statement;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Statement, sqlite3_finalize)

/* A value for a statement's parameter. A text or the bytes must outlive the statement; a text of NULL is
 * SQL's NULL. */
typedef struct Value {
        bool is_text;
        uint64_t number;
        const char *text;
        GBytes *bytes;
} Value;
#define NUMBER(value) ((Value){.number = (uint64_t)(value)})
#define TEXT(value)   ((Value){.is_text = true, .text = (value)})
#define BYTES(value)  ((Value){.bytes = (value)})

int store_prepare_values(Store *store, const char *sql, const Value *values, size_t n_values,
        Statement **ret_statement, char **ret_message);
int store_run_values(Store *store, const char *sql, const Value *values, size_t n_values, char **ret_message);

/* `store_prepare(store, &statement, ret_message, sql, values...)` binds the values to ?1, ?2, ...;
 * `store_run(store, ret_message, sql, values...)` runs a statement that answers nothing. Return: 0 or
 * negative errno. */
#define store_prepare(store, ret_statement, ret_message, sql, ...)                                           \
        store_prepare_values((store), (sql), (const Value[]){__VA_ARGS__},                                   \
                sizeof((const Value[]){__VA_ARGS__}) / sizeof(Value), (ret_statement), (ret_message))
#define store_run(store, ret_message, sql, ...)                                                              \
        store_run_values((store), (sql), (const Value[]){__VA_ARGS__},                                       \
                sizeof((const Value[]){__VA_ARGS__}) / sizeof(Value), (ret_message))

/* Returns: 1 when there is a row, 0 at the end, or negative errno with a sentence. */
int store_step(Store *store, Statement *statement, char **ret_message);

/* Returns: the column's text, to be freed; NULL for SQL's NULL. */
char *column_text(Statement *statement, int column);
uint64_t column_number(Statement *statement, int column);

/* An atomic step that works inside a caller's transaction and outside: store_leave() takes the step's result
 * `r`, keeps the step when it is not negative and takes it back otherwise. Returns: `r`, or negative errno
 * when it cannot be kept. */
int store_enter(Store *store, char **ret_message);
int store_leave(Store *store, int r, char **ret_message);

/* Takes the schema up to version `n_migrations` by the steps of store-schema.h, each in a transaction of its
 * own. -EPROTO when it is newer than that. */
int store_migrate(Store *store, const char *const *migrations, size_t n_migrations, char **ret_message);
