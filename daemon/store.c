/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-internal.h"
#include "store-schema.h"
#include "util.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RESERVE_SIZE (1024 * 1024)

static int store_refused(Store *store, int code, char **ret_message)
{
        int r = -EINVAL;

        if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
                r = -EEXIST;
        else if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
                r = -ENOENT;
        return fail(r, ret_message, "The store %s does not accept this: %s.", store->path,
                sqlite3_errmsg(store->db));
}

static int store_damaged(const char *path, const char *words, char **ret_message)
{
        return fail(-EBADMSG, ret_message,
                "The store %s is damaged (%s). Nothing was changed: restore it from a backup, or move it and "
                "its -wal and -shm away together to start with an empty one.",
                path, words);
}

/* Turns the connection's last error into an errno and a sentence that says what to do. */
static int store_error(Store *store, char **ret_message)
{
        int code = sqlite3_extended_errcode(store->db);
        const char *words = sqlite3_errmsg(store->db), *path = store->path;

        switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
                return store_refused(store, code, ret_message);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return store_damaged(path, words, ret_message);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return fail(-EAGAIN, ret_message,
                        "The store %s is locked by another program (%s). Close that program and try again.",
                        path, words);
        case SQLITE_NOMEM:
                return fail(-ENOMEM, ret_message, "There is no memory to work on the store %s.", path);
        case SQLITE_TOOBIG:
                return fail(-E2BIG, ret_message, "This is too big for the store %s.", path);
        case SQLITE_IOERR:
                /* Where SQLite grows its index of the log it calls a full disk an I/O error. */
                if (sqlite3_system_errno(store->db) != ENOSPC)
                        break;
                G_GNUC_FALLTHROUGH;
        case SQLITE_FULL:
                return fail(-ENOSPC, ret_message,
                        "The store %s could not be written (%s). Free space on its filesystem and try again.",
                        path, words);
        }
        return fail(-EIO, ret_message,
                "The store %s failed (%s). See to its filesystem and its permissions, and try again.", path,
                words);
}

static int store_exec(Store *store, const char *sql, char **ret_message)
{
        return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                           : store_error(store, ret_message);
}

/* SQLite takes a whole transaction back by itself after some errors; what is written next would be committed
 * alone. */
static int store_check_transaction(Store *store, char **ret_message)
{
        if (!store->in_transaction || !sqlite3_get_autocommit(store->db))
                return 0;
        return fail(-EIO, ret_message,
                "The store %s took the transaction back after an earlier failure: nothing of it was written.",
                store->path);
}

static int bind_value(Statement *statement, int parameter, const Value *value)
{
        gsize size;
        gconstpointer data;

        if (value->is_text)
                return sqlite3_bind_text(statement, parameter, value->text, -1, SQLITE_STATIC);
        if (!value->bytes)
                return sqlite3_bind_int64(statement, parameter, (int64_t)value->number);
        data = g_bytes_get_data(value->bytes, &size);
        /* SQLite takes no data at all for its NULL. */
        return sqlite3_bind_blob64(statement, parameter, data ?: "", size, SQLITE_STATIC);
}

int store_prepare_values(Store *store, const char *sql, const Value *values, size_t n_values,
        Statement **ret_statement, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_check_transaction(store, ret_message);
        if (r < 0)
                return r;
        if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
                return store_error(store, ret_message);
        for (size_t i = 0; i < n_values; i++) {
                if (bind_value(statement, (int)i + 1, &values[i]) != SQLITE_OK)
                        return store_error(store, ret_message);
        }
        *ret_statement = g_steal_pointer(&statement);
        return 0;
}

int store_step(Store *store, Statement *statement, char **ret_message)
{
        switch (sqlite3_step(statement)) {
        case SQLITE_ROW:
                return 1;
        case SQLITE_DONE:
                return 0;
        default:
                return store_error(store, ret_message);
        }
}

int store_run_values(Store *store, const char *sql, const Value *values, size_t n_values, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare_values(store, sql, values, n_values, &statement, ret_message);
        return r < 0 ? r : store_step(store, statement, ret_message);
}

char *column_text(Statement *statement, int column)
{
        return g_strdup((const char *)sqlite3_column_text(statement, column));
}

uint64_t column_number(Statement *statement, int column)
{
        return (uint64_t)sqlite3_column_int64(statement, column);
}

/* Runs a statement whose answer is one text. */
static int store_ask(Store *store, const char *sql, char **ret_answer, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message, sql);
        if (r >= 0)
                r = store_step(store, statement, ret_message);
        if (r < 0)
                return r;
        *ret_answer = r > 0 ? column_text(statement, 0) : NULL;
        return 0;
}

int store_begin(Store *store, char **ret_message)
{
        int r;

        g_assert(!store->in_transaction);
        r = store_exec(store, "BEGIN IMMEDIATE", ret_message);
        if (r >= 0)
                store->in_transaction = true;
        return r;
}

int store_commit(Store *store, char **ret_message)
{
        int r;

        g_assert(store->in_transaction);
        r = store_check_transaction(store, ret_message);
        if (r >= 0)
                r = store_exec(store, "COMMIT", ret_message);
        if (r < 0)
                store_rollback(store);
        store->in_transaction = false;
        return r;
}

void store_rollback(Store *store)
{
        /* Fails only where SQLite has rolled back already. */
        if (!sqlite3_get_autocommit(store->db))
                (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        store->in_transaction = false;
}

int store_enter(Store *store, char **ret_message)
{
        int r = store_check_transaction(store, ret_message);

        return r < 0 ? r : store_exec(store, "SAVEPOINT step", ret_message);
}

int store_leave(Store *store, int r, char **ret_message)
{
        if (r >= 0) {
                int k = store_exec(store, "RELEASE step", ret_message);
                if (k >= 0)
                        return r;
                r = k;
        }
        /* The outermost step is the transaction: what SQLite could not commit has to be ended here. */
        if (!sqlite3_get_autocommit(store->db))
                (void)sqlite3_exec(store->db, "ROLLBACK TO step; RELEASE step", NULL, NULL, NULL);
        return r;
}

int store_migrate(Store *store, const char *const *migrations, size_t n_migrations, char **ret_message)
{
        g_autofree char *answer = NULL;
        uint64_t version;
        int r;

        r = store_ask(store, "PRAGMA user_version", &answer, ret_message);
        if (r < 0)
                return r;
        version = g_ascii_strtoull(answer, NULL, 10);
        if (version > n_migrations)
                return fail(-EPROTO, ret_message,
                        "The store %s has schema %" G_GUINT64_FORMAT
                        ", and this left4me-hostd knows schemas up to %zu: install the version of left4me "
                        "host that wrote it, or a later one.",
                        store->path, version, n_migrations);
        for (; version < n_migrations; version++) {
                g_autofree char *pragma =
                        g_strdup_printf("PRAGMA user_version = %" G_GUINT64_FORMAT, version + 1);

                r = store_begin(store, ret_message);
                if (r < 0)
                        return r;
                r = store_exec(store, migrations[version], ret_message);
                if (r >= 0)
                        r = store_exec(store, pragma, ret_message);
                if (r < 0) {
                        store_rollback(store);
                        return r;
                }
                r = store_commit(store, ret_message);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Takes hold of a file that is there: a plain file of ours, for nobody else to read.
 * Returns: 1, 0 when there is no such file, or negative errno with a sentence. */
static int secure_file(const char *path, struct stat *ret_st, char **ret_message)
{
        _cleanup_close_ int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 && errno == ELOOP)
                return fail(-ELOOP, ret_message,
                        "%s is a symbolic link; the store must be a plain file. Put the file itself there.",
                        path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fail(-errno, ret_message, "%s could not be opened: %s.", path, g_strerror(errno));
        if (!S_ISREG(st.st_mode))
                return fail(-EINVAL, ret_message, "%s is not a plain file; move it away.", path);
        if (st.st_uid != geteuid())
                return fail(-EPERM, ret_message,
                        "%s belongs to uid %u and not to uid %u, which this program runs as. Change its "
                        "owner once you know that it can be trusted.",
                        path, (unsigned)st.st_uid, (unsigned)geteuid());
        if (fchmod(fd, 0600) < 0)
                return fail(-errno, ret_message, "The mode of %s could not be set to 0600: %s.", path,
                        g_strerror(errno));
        *ret_st = st;
        return 1;
}

/* Opens SQLite on a file that is there already. */
static int store_connect(const char *path, Store **ret_store, char **ret_message)
{
        g_autoptr(Store) store = g_new0(Store, 1);
        int r;

        store->path = g_strdup(path);
        if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                return store_error(store, ret_message);
        /* Nobody else should have it open. The wait is for somebody who looks with sqlite3(1), and short: it
         * is the main loop's. */
        sqlite3_busy_timeout(store->db, 250);
        r = store_exec(store, "PRAGMA synchronous = FULL", ret_message);
        if (r < 0)
                return r;
        *ret_store = g_steal_pointer(&store);
        return 0;
}

static int sync_directory_of(const char *path)
{
        g_autofree char *directory = g_path_get_dirname(path);
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Makes the store under another name first: a file that stands at `path` is always a whole one, so that an
 * empty file there can be told from a new one, as damaged. */
static int store_create(const char *path, char **ret_message)
{
        g_autofree char *unfinished = g_strconcat(path, ".new", NULL);
        g_autofree char *journal = g_strconcat(unfinished, "-journal", NULL);
        g_autoptr(Store) store = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        (void)unlink(journal);
        (void)unlink(unfinished);
        fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || fchmod(fd, 0600) < 0)
                return fail(
                        -errno, ret_message, "The store %s could not be made: %s.", path, g_strerror(errno));
        /* Closed before SQLite opens the file: a close drops the process's POSIX locks on it. */
        close_fd(&fd);
        r = store_connect(unfinished, &store, ret_message);
        if (r >= 0)
                r = store_migrate(store, store_migrations, G_N_ELEMENTS(store_migrations), ret_message);
        if (r < 0)
                return r;
        g_clear_pointer(&store, store_close);
        r = rename(unfinished, path) < 0 ? -errno : sync_directory_of(path);
        if (r < 0)
                return fail(r, ret_message, "The store %s could not be put in its place: %s.", path,
                        g_strerror(-r));
        return 0;
}

/* Sees to the files before SQLite touches them; it gives sidecars that it makes itself the mode of the main
 * file. */
static int store_secure(const char *path, char **ret_message)
{
        g_autofree char *log = g_strconcat(path, "-wal", NULL), *index = g_strconcat(path, "-shm", NULL);
        struct stat st, log_st;
        int found, with_log, r;

        found = secure_file(path, &st, ret_message);
        with_log = found < 0 ? found : secure_file(log, &log_st, ret_message);
        if (with_log < 0)
                return with_log;
        /* SQLite would replay the log of a lost file into a new one, and forget the log of an empty one. */
        if (!found && with_log && log_st.st_size > 0)
                return fail(-EBADMSG, ret_message,
                        "The store %s is missing, but its log %s is there. Put the file back, or move the "
                        "log away to start with an empty store.",
                        path, log);
        if (found && st.st_size == 0)
                return store_damaged(path, "the file is empty", ret_message);
        r = secure_file(index, &st, ret_message);
        if (r < 0)
                return r;
        return found ? 0 : store_create(path, ret_message);
}

static int store_check(Store *store, char **ret_message)
{
        g_autofree char *answer = NULL;
        int r;

        r = store_ask(store, "PRAGMA quick_check(1)", &answer, ret_message);
        if (r < 0)
                return r;
        return g_strcmp0(answer, "ok") == 0 ? 0 : store_damaged(store->path, answer, ret_message);
}

static int store_use_log(Store *store, char **ret_message)
{
        g_autofree char *answer = NULL;
        int r;

        r = store_ask(store, "PRAGMA journal_mode = WAL", &answer, ret_message);
        if (r < 0)
                return r;
        if (g_strcmp0(answer, "wal") != 0)
                return fail(-EIO, ret_message,
                        "The store %s cannot keep a write-ahead log: put it on a local filesystem.",
                        store->path);
        return store_exec(store, "PRAGMA foreign_keys = ON", ret_message);
}

static char *reserve_path(Store *store)
{
        return g_strconcat(store->path, "-reserve", NULL);
}

void store_make_reserve(Store *store)
{
        g_autofree char *path = reserve_path(store);
        _cleanup_close_ int fd = -EBADF;

        if (store->has_reserve)
                return;
        fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        store->has_reserve = fd >= 0 && fallocate(fd, 0, 0, RESERVE_SIZE) == 0;
        if (fd >= 0 && !store->has_reserve)
                (void)unlink(path); /* what there was room for is less than is needed */
}

void store_free_reserve(Store *store)
{
        g_autofree char *path = reserve_path(store);

        if (store->has_reserve)
                (void)unlink(path);
        store->has_reserve = false;
}

int store_open(const char *path, Store **ret_store, char **ret_message)
{
        g_autoptr(Store) store = NULL;
        int r;

        r = store_secure(path, ret_message);
        if (r >= 0)
                r = store_connect(path, &store, ret_message);
        if (r >= 0)
                r = store_check(store, ret_message);
        if (r >= 0)
                r = store_migrate(store, store_migrations, G_N_ELEMENTS(store_migrations), ret_message);
        if (r >= 0)
                r = store_use_log(store, ret_message);
        if (r < 0)
                return r;
        store_make_reserve(store);
        *ret_store = g_steal_pointer(&store);
        return 0;
}

void store_close(Store *store)
{
        if (!store)
                return;
        sqlite3_close(store->db);
        g_free(store->path);
        g_free(store);
}
