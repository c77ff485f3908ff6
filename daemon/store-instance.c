/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instances in the store, and the ports that they hold between them. */
#include "store-internal.h"
#include "util.h"
#include <string.h>

#define COLUMNS "description, config, enabled, revision, mounted_revision, mounted_by_hand, created_at"

static int forget_children(Store *store, const char *name, char **ret_message)
{
        static const char *const statements[] = {
                "DELETE FROM instance_port WHERE instance = ?1",
                "DELETE FROM instance_argument WHERE instance = ?1",
                "DELETE FROM instance_overlay WHERE instance = ?1",
                "DELETE FROM instance_layer WHERE instance = ?1",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(statements); i++) {
                int r = store_run(store, ret_message, statements[i], TEXT(name));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The table's key keeps ports unique; this asks first so that the refusal can say who has it. */
static int check_port(Store *store, const char *name, uint16_t port, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        g_autofree char *holder = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT instance FROM instance_port WHERE port = ?1", NUMBER(port));
        if (r >= 0)
                r = store_step(store, statement, ret_message);
        if (r <= 0)
                return r;
        holder = column_text(statement, 0);
        if (g_strcmp0(holder, name) == 0)
                return fail(-EADDRINUSE, ret_message,
                        "Port %u is given twice to instance \"%s\": its ports must differ.", port, name);
        return fail(-EADDRINUSE, ret_message,
                "Port %u is taken by instance \"%s\": choose another for \"%s\".", port, holder, name);
}

static int save_ports(Store *store, InstanceRow *row, char **ret_message)
{
        int r = 0;

        for (unsigned i = 0; i < N_PORTS && r >= 0; i++) {
                r = check_port(store, row->name, row->ports[i], ret_message);
                if (r >= 0)
                        r = store_run(store, ret_message,
                                "INSERT INTO instance_port (instance, purpose, port) VALUES (?1, ?2, ?3)",
                                TEXT(row->name), NUMBER(i), NUMBER(row->ports[i]));
        }
        return r;
}

static int save_lists(Store *store, InstanceRow *row, char **ret_message)
{
        int r = 0;

        for (size_t i = 0; row->arguments[i] && r >= 0; i++)
                r = store_run(store, ret_message,
                        "INSERT INTO instance_argument (instance, position, argument) VALUES (?1, ?2, ?3)",
                        TEXT(row->name), NUMBER(i), TEXT(row->arguments[i]));
        for (unsigned i = 0; i < row->overlays->len && r >= 0; i++)
                r = store_run(store, ret_message,
                        "INSERT INTO instance_overlay (instance, position, overlay) VALUES (?1, ?2, ?3)",
                        TEXT(row->name), NUMBER(i), NUMBER(g_array_index(row->overlays, uint64_t, i)));
        for (unsigned i = 0; i < row->mounted->len && r >= 0; i++) {
                LayerRef *layer = &g_array_index(row->mounted, LayerRef, i);

                r = store_run(store, ret_message,
                        "INSERT INTO instance_layer (instance, position, overlay, generation) VALUES (?1, "
                        "?2, ?3, ?4)",
                        TEXT(row->name), NUMBER(i), NUMBER(layer->overlay), NUMBER(layer->generation));
        }
        return r;
}

static int save_instance(Store *store, InstanceRow *row, char **ret_message)
{
        int r;

        r = store_run(store, ret_message,
                "INSERT INTO instance (name, " COLUMNS
                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO UPDATE SET (" COLUMNS
                ") = (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                TEXT(row->name), TEXT(row->description), TEXT(row->config), NUMBER(row->enabled),
                NUMBER(row->revision), NUMBER(row->mounted_revision), NUMBER(row->mounted_by_hand),
                NUMBER(row->created_at));
        if (r >= 0)
                r = forget_children(store, row->name, ret_message);
        if (r >= 0)
                r = save_ports(store, row, ret_message);
        if (r >= 0)
                r = save_lists(store, row, ret_message);
        return r;
}

int store_save_instance(Store *store, InstanceRow *row, char **ret_message)
{
        int r = store_enter(store, ret_message);

        if (r < 0)
                return r;
        r = save_instance(store, row, ret_message);
        return store_leave(store, r, ret_message);
}

int store_delete_instance(Store *store, const char *name, char **ret_message)
{
        return store_run(store, ret_message, "DELETE FROM instance WHERE name = ?1", TEXT(name));
}

static int load_ports(Store *store, InstanceRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT purpose, port FROM instance_port WHERE instance = ?1", TEXT(row->name));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                uint64_t purpose = column_number(statement, 0);

                g_assert(purpose < N_PORTS); /* the table's CHECK, which store_open() has tried */
                row->ports[purpose] = (uint16_t)column_number(statement, 1);
        }
        return r;
}

static int load_arguments(Store *store, InstanceRow *row, char **ret_message)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT argument FROM instance_argument WHERE instance = ?1 ORDER BY position",
                TEXT(row->name));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0)
                g_strv_builder_add(builder, (const char *)sqlite3_column_text(statement, 0));
        g_strfreev(row->arguments);
        row->arguments = g_strv_builder_end(builder);
        return r;
}

static int load_overlays(Store *store, InstanceRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT overlay FROM instance_overlay WHERE instance = ?1 ORDER BY position",
                TEXT(row->name));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                uint64_t id = column_number(statement, 0);
                g_array_append_val(row->overlays, id);
        }
        return r;
}

static int load_layers(Store *store, InstanceRow *row, char **ret_message)
{
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT overlay, generation FROM instance_layer WHERE instance = ?1 ORDER BY position",
                TEXT(row->name));
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                LayerRef layer = {column_number(statement, 0), column_number(statement, 1)};
                g_array_append_val(row->mounted, layer);
        }
        return r;
}

static InstanceRow *read_instance(Statement *statement)
{
        InstanceRow *row = instance_row_new();

        row->name = column_text(statement, 0);
        g_free(row->description);
        row->description = column_text(statement, 1);
        g_free(row->config);
        row->config = column_text(statement, 2);
        row->enabled = column_number(statement, 3) != 0;
        row->revision = column_number(statement, 4);
        row->mounted_revision = column_number(statement, 5);
        row->mounted_by_hand = column_number(statement, 6) != 0;
        row->created_at = column_number(statement, 7);
        return row;
}

int store_load_instances(Store *store, GPtrArray **ret_rows, char **ret_message)
{
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)instance_row_free);
        g_autoptr(Statement) statement = NULL;
        int r;

        r = store_prepare(
                store, &statement, ret_message, "SELECT name, " COLUMNS " FROM instance ORDER BY name");
        if (r < 0)
                return r;
        while ((r = store_step(store, statement, ret_message)) > 0) {
                InstanceRow *row = read_instance(statement);

                g_ptr_array_add(rows, row);
                r = load_ports(store, row, ret_message);
                if (r >= 0)
                        r = load_arguments(store, row, ret_message);
                if (r >= 0)
                        r = load_overlays(store, row, ret_message);
                if (r >= 0)
                        r = load_layers(store, row, ret_message);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_rows = g_steal_pointer(&rows);
        return 0;
}

int store_find_free_ports(
        Store *store, uint16_t first, uint16_t last, uint16_t *ret_ports, size_t n, char **ret_message)
{
        g_autofree uint16_t *ports = g_new0(uint16_t, n);
        g_autoptr(Statement) statement = NULL;
        unsigned port = first;
        size_t found = 0;
        int r;

        r = store_prepare(store, &statement, ret_message,
                "SELECT port FROM instance_port WHERE port BETWEEN ?1 AND ?2 ORDER BY port", NUMBER(first),
                NUMBER(last));
        if (r < 0)
                return r;
        do {
                unsigned taken;

                r = store_step(store, statement, ret_message);
                if (r < 0)
                        return r;
                taken = r > 0 ? (unsigned)column_number(statement, 0) : last + 1u;
                for (; port < taken && found < n; port++)
                        ports[found++] = (uint16_t)port;
                port = taken + 1;
        } while (r > 0 && found < n);
        if (found < n)
                return fail(-EADDRINUSE, ret_message,
                        "Of the ports %u-%u only %zu are free and %zu are needed: widen PortRange in "
                        "host.conf, or delete an instance.",
                        first, last, found, n);
        if (n > 0)
                memcpy(ret_ports, ports, n * sizeof(*ports));
        return 0;
}
