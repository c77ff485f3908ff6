/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of the logs of finished jobs. */
#include "store-internal.h"

/* What was saved once stays: the journal may have lost it since. */
int store_save_log(Store *store, uint64_t job, const char *first, GBytes *lines, char **ret_message)
{
        return store_run(store, ret_message,
                "INSERT OR IGNORE INTO job_log (job, first, lines) VALUES (?1, ?2, ?3)", NUMBER(job),
                TEXT(first), BYTES(lines));
}

int store_load_log(Store *store, uint64_t job, char **ret_first, GBytes **ret_lines, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r = store_prepare(store, &statement, ret_message,
                "SELECT first, lines FROM job_log WHERE job = ?1", NUMBER(job));

        if (r >= 0)
                r = store_step(store, statement, ret_message);
        if (r <= 0)
                return r;
        *ret_first = column_text(statement, 0);
        *ret_lines =
                g_bytes_new(sqlite3_column_blob(statement, 1), (gsize)sqlite3_column_bytes(statement, 1));
        return 1;
}

int store_load_logged_jobs(Store *store, GArray **ret_jobs, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        g_autoptr(GArray) jobs = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        int r = store_prepare(store, &statement, ret_message, "SELECT job FROM job_log");

        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                uint64_t job = column_number(statement, 0);

                g_array_append_val(jobs, job);
        }
        if (r < 0)
                return r;
        *ret_jobs = g_steal_pointer(&jobs);
        return 0;
}
