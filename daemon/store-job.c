/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs in the store, with who asked for them. */
#include "store-internal.h"
#include "util.h"

#define COLUMNS                                                                                              \
        "kind, overlay, instance, subject_name, state, phase, result, message, exit_status, queued_at, "     \
        "started_at, finished_at, generation, slot, boot_id"
#define PARAMETERS "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16"

static int save_columns(Store *store, JobRow *row, char **ret_message)
{
        int r;

        r = store_run(store, ret_message,
                row->id == 0 ? "INSERT INTO job (" COLUMNS ") VALUES (" PARAMETERS ")"
                             : "UPDATE job SET (" COLUMNS ") = (" PARAMETERS ") WHERE id = ?1",
                NUMBER(row->id), TEXT(row->kind), NUMBER(row->overlay), TEXT(row->instance),
                TEXT(row->subject_name), TEXT(row->state), TEXT(row->phase), TEXT(row->result),
                TEXT(row->message), NUMBER(row->exit_status), NUMBER(row->queued_at), NUMBER(row->started_at),
                NUMBER(row->finished_at), NUMBER(row->generation), NUMBER(row->slot), TEXT(row->boot_id));
        if (r < 0)
                return r;
        if (row->id == 0)
                row->id = (uint64_t)sqlite3_last_insert_rowid(store->db);
        else if (sqlite3_changes(store->db) == 0)
                return fail(-ENOENT, ret_message, "Job %" G_GUINT64_FORMAT " is not in the store any more.",
                        row->id);
        return 0;
}

static int save_job(Store *store, JobRow *row, char **ret_message)
{
        int r;

        r = save_columns(store, row, ret_message);
        if (r >= 0)
                r = store_run(
                        store, ret_message, "DELETE FROM job_requester WHERE job = ?1", NUMBER(row->id));
        if (r >= 0)
                r = store_run(
                        store, ret_message, "DELETE FROM job_generation WHERE job = ?1", NUMBER(row->id));
        for (unsigned i = 0; i < row->requesters->len && r >= 0; i++)
                r = store_run(store, ret_message,
                        "INSERT INTO job_requester (job, position, uid) VALUES (?1, ?2, ?3)", NUMBER(row->id),
                        NUMBER(i), NUMBER(g_array_index(row->requesters, uint32_t, i)));
        for (unsigned i = 0; i < row->generations->len && r >= 0; i++)
                r = store_run(store, ret_message,
                        "INSERT INTO job_generation (job, position, number) VALUES (?1, ?2, ?3)",
                        NUMBER(row->id), NUMBER(i), NUMBER(g_array_index(row->generations, uint64_t, i)));
        return r;
}

int store_save_job(Store *store, JobRow *row, char **ret_message)
{
        uint64_t id = row->id;
        int r = store_enter(store, ret_message);

        if (r < 0)
                return r;
        r = save_job(store, row, ret_message);
        r = store_leave(store, r, ret_message);
        if (r < 0)
                row->id = id;
        return r;
}

int store_delete_job(Store *store, uint64_t id, char **ret_message)
{
        return store_run(store, ret_message, "DELETE FROM job WHERE id = ?1", NUMBER(id));
}

static int load_requesters(Store *store, JobRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT uid FROM job_requester WHERE job = ?1 ORDER BY position", NUMBER(row->id));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                uint32_t uid = (uint32_t)column_number(statement, 0);
                g_array_append_val(row->requesters, uid);
        }
        return r;
}

static int load_generations(Store *store, JobRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT number FROM job_generation WHERE job = ?1 ORDER BY position", NUMBER(row->id));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                uint64_t number = column_number(statement, 0);
                g_array_append_val(row->generations, number);
        }
        return r;
}

static JobRow *read_job(Statement *statement)
{
        JobRow *row = job_row_new();

        row->id = column_number(statement, 0);
        row->kind = column_text(statement, 1);
        row->overlay = column_number(statement, 2);
        row->instance = column_text(statement, 3);
        row->subject_name = column_text(statement, 4);
        row->state = column_text(statement, 5);
        g_free(row->phase);
        row->phase = column_text(statement, 6);
        g_free(row->result);
        row->result = column_text(statement, 7);
        g_free(row->message);
        row->message = column_text(statement, 8);
        row->exit_status = (int)column_number(statement, 9);
        row->queued_at = column_number(statement, 10);
        row->started_at = column_number(statement, 11);
        row->finished_at = column_number(statement, 12);
        row->generation = column_number(statement, 13);
        row->slot = (int)column_number(statement, 14);
        g_free(row->boot_id);
        row->boot_id = column_text(statement, 15);
        return row;
}

int store_load_jobs(Store *store, GPtrArray **ret_rows, char **ret_message)
{
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)job_row_free);
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message, "SELECT id, " COLUMNS " FROM job ORDER BY id");
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                JobRow *row = read_job(statement);

                g_ptr_array_add(rows, row);
                r = load_requesters(store, row, ret_message);
                if (r >= 0)
                        r = load_generations(store, row, ret_message);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_rows = g_steal_pointer(&rows);
        return 0;
}
