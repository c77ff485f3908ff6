/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Overlays and their finished generations in the store. */
#include "store-internal.h"
#include "util.h"

#define COLUMNS                                                                                              \
        "name, description, kind, script, time_limit, keep_generations, generation, next_generation, "       \
        "last_job, size_limit, file_limit"
#define PARAMETERS "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12"

/* The table keeps names unique; this asks first so that the refusal can say what is taken. */
static int check_name(Store *store, OverlayRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT id FROM overlay WHERE name = ?1 AND id <> ?2", TEXT(row->name), NUMBER(row->id));
        if (r >= 0)
                r = store_step(store, statement, ret_message);
        if (r <= 0)
                return r;
        return fail(-EEXIST, ret_message,
                "The name \"%s\" is taken by overlay %" G_GUINT64_FORMAT ": choose another.", row->name,
                column_number(statement, 0));
}

static int save_columns(Store *store, OverlayRow *row, char **ret_message)
{
        int r;

        r = store_run(store, ret_message,
                row->id == 0 ? "INSERT INTO overlay (" COLUMNS ") VALUES (" PARAMETERS ")"
                             : "UPDATE overlay SET (" COLUMNS ") = (" PARAMETERS ") WHERE id = ?1",
                NUMBER(row->id), TEXT(row->name), TEXT(row->description), TEXT(row->kind), TEXT(row->script),
                NUMBER(row->time_limit), NUMBER(row->keep_generations), NUMBER(row->generation),
                NUMBER(row->next_generation), NUMBER(row->last_job), NUMBER(row->size_limit),
                NUMBER(row->file_limit));
        if (r < 0)
                return r;
        if (row->id == 0)
                row->id = (uint64_t)sqlite3_last_insert_rowid(store->db);
        else if (sqlite3_changes(store->db) == 0)
                return fail(-ENOENT, ret_message,
                        "Overlay %" G_GUINT64_FORMAT " (\"%s\") is not in the store any more.", row->id,
                        row->name);
        return 0;
}

static int save_overlay(Store *store, OverlayRow *row, char **ret_message)
{
        int r;

        r = check_name(store, row, ret_message);
        if (r >= 0)
                r = save_columns(store, row, ret_message);
        if (r >= 0)
                r = store_run(store, ret_message, "DELETE FROM overlay_generation WHERE overlay = ?1",
                        NUMBER(row->id));
        for (unsigned i = 0; i < row->generations->len && r >= 0; i++) {
                GenerationRow *generation = g_ptr_array_index(row->generations, i);

                r = store_run(store, ret_message,
                        "INSERT INTO overlay_generation (overlay, number, built_at, bytes, files, digest) "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        NUMBER(row->id), NUMBER(generation->number), NUMBER(generation->built_at),
                        NUMBER(generation->bytes), NUMBER(generation->files), TEXT(generation->digest));
        }
        return r;
}

int store_save_overlay(Store *store, OverlayRow *row, char **ret_message)
{
        uint64_t id = row->id;
        int r = store_enter(store, ret_message);

        if (r < 0)
                return r;
        r = save_overlay(store, row, ret_message);
        r = store_leave(store, r, ret_message);
        if (r < 0)
                row->id = id;
        return r;
}

int store_reserve_overlay_ids(Store *store, uint64_t highest, char **ret_message)
{
        int r = store_enter(store, ret_message);

        if (r < 0)
                return r;
        r = store_run(store, ret_message,
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'overlay', 0 WHERE NOT EXISTS "
                "(SELECT 1 FROM sqlite_sequence WHERE name = 'overlay')");
        if (r >= 0)
                r = store_run(store, ret_message,
                        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'overlay' AND seq < ?1",
                        NUMBER(highest));
        return store_leave(store, r, ret_message);
}

/* The table's reference keeps a listed overlay; this asks first so that the refusal can say who lists it. */
int store_delete_overlay(Store *store, uint64_t id, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT instance, overlay.name FROM instance_overlay JOIN overlay ON overlay.id = overlay "
                "WHERE overlay = ?1 ORDER BY instance LIMIT 1",
                NUMBER(id));
        if (r >= 0)
                r = store_step(store, statement, ret_message);
        if (r < 0)
                return r;
        if (r > 0)
                return fail(-EBUSY, ret_message,
                        "Overlay \"%s\" is listed by instance \"%s\": take it off that list first.",
                        sqlite3_column_text(statement, 1), sqlite3_column_text(statement, 0));
        return store_run(store, ret_message, "DELETE FROM overlay WHERE id = ?1", NUMBER(id));
}

static int load_generations(Store *store, OverlayRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT number, built_at, bytes, files, digest FROM overlay_generation WHERE overlay = ?1 "
                "ORDER BY number",
                NUMBER(row->id));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                GenerationRow *generation = g_new0(GenerationRow, 1);

                generation->number = column_number(statement, 0);
                generation->built_at = column_number(statement, 1);
                generation->bytes = column_number(statement, 2);
                generation->files = column_number(statement, 3);
                generation->digest = column_text(statement, 4);
                g_ptr_array_add(row->generations, generation);
        }
        return r;
}

static OverlayRow *read_overlay(Statement *statement)
{
        OverlayRow *row = overlay_row_new();

        row->id = column_number(statement, 0);
        row->name = column_text(statement, 1);
        g_free(row->description);
        row->description = column_text(statement, 2);
        row->kind = column_text(statement, 3);
        g_free(row->script);
        row->script = column_text(statement, 4);
        row->time_limit = column_number(statement, 5);
        row->keep_generations = (unsigned)column_number(statement, 6);
        row->generation = column_number(statement, 7);
        row->next_generation = column_number(statement, 8);
        row->last_job = column_number(statement, 9);
        row->size_limit = column_number(statement, 10);
        row->file_limit = column_number(statement, 11);
        return row;
}

int store_load_overlays(Store *store, GPtrArray **ret_rows, char **ret_message)
{
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)overlay_row_free);
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message, "SELECT id, " COLUMNS " FROM overlay ORDER BY id");
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                OverlayRow *row = read_overlay(statement);

                g_ptr_array_add(rows, row);
                r = load_generations(store, row, ret_message);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_rows = g_steal_pointer(&rows);
        return 0;
}
