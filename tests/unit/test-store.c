/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/store-internal.h"
#include "daemon/store-schema.h"
#include "daemon/util.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct Fixture {
        char *directory, *path;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
        f->directory = g_dir_make_tmp("test-store-XXXXXX", NULL);
        g_assert_nonnull(f->directory);
        f->path = g_build_filename(f->directory, "host.db", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
        g_autoptr(GDir) dir = g_dir_open(f->directory, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(f->directory, name, NULL);
                g_assert_cmpint(unlink(path), ==, 0);
        }
        g_assert_cmpint(rmdir(f->directory), ==, 0);
        g_free(f->directory);
        g_free(f->path);
}

static Store *open_store(const char *path)
{
        g_autofree char *message = NULL;
        Store *store = NULL;
        int r = store_open(path, &store, &message);

        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        return store;
}

/* The answer must be `error` and the sentence hold `words`. */
#define assert_refused(call, error, words)                                                                   \
        G_STMT_START                                                                                         \
        {                                                                                                    \
                g_autofree char *message = NULL;                                                             \
                g_assert_cmpint((call), ==, (error));                                                        \
                g_assert_nonnull(message);                                                                   \
                if (!strstr(message, (words)))                                                               \
                        g_error("\"%s\" does not say \"%s\"", message, (words));                             \
        }                                                                                                    \
        G_STMT_END

static void assert_open_refused(const char *path, int error, const char *words)
{
        Store *store = NULL;

        assert_refused(store_open(path, &store, &message), error, words);
        g_assert_null(store);
}

static InstanceRow *instance_new(const char *name, uint16_t first_port)
{
        InstanceRow *row = instance_row_new();

        row->name = g_strdup(name);
        for (unsigned i = 0; i < N_PORTS; i++)
                row->ports[i] = (uint16_t)(first_port + i);
        return row;
}

static OverlayRow *overlay_new(const char *name)
{
        OverlayRow *row = overlay_row_new();

        row->name = g_strdup(name);
        row->kind = g_strdup("script");
        return row;
}

static JobRow *job_new(const char *kind)
{
        JobRow *row = job_row_new();

        row->kind = g_strdup(kind);
        row->subject_name = g_strdup("maps");
        row->state = g_strdup("queued");
        return row;
}

static GPtrArray *load_instances(Store *store)
{
        GPtrArray *rows = NULL;
        g_assert_cmpint(store_load_instances(store, &rows, NULL), ==, 0);
        return rows;
}

static GPtrArray *load_overlays(Store *store)
{
        GPtrArray *rows = NULL;
        g_assert_cmpint(store_load_overlays(store, &rows, NULL), ==, 0);
        return rows;
}

static GPtrArray *load_jobs(Store *store)
{
        GPtrArray *rows = NULL;
        g_assert_cmpint(store_load_jobs(store, &rows, NULL), ==, 0);
        return rows;
}

static void assert_n_instances(Store *store, unsigned n)
{
        g_autoptr(GPtrArray) rows = load_instances(store);
        g_assert_cmpuint(rows->len, ==, n);
}

static void set_text(char **field, const char *text)
{
        g_free(*field);
        *field = g_strdup(text);
}

static void assert_same_instance(InstanceRow *a, InstanceRow *b)
{
        g_assert_cmpstr(a->name, ==, b->name);
        g_assert_cmpstr(a->description, ==, b->description);
        g_assert_cmpmem(a->ports, sizeof(a->ports), b->ports, sizeof(b->ports));
        g_assert_true(g_strv_equal((const char *const *)a->arguments, (const char *const *)b->arguments));
        g_assert_cmpmem(a->overlays->data, a->overlays->len * sizeof(uint64_t), b->overlays->data,
                b->overlays->len * sizeof(uint64_t));
        g_assert_cmpstr(a->config, ==, b->config);
        g_assert_cmpint(a->enabled, ==, b->enabled);
        g_assert_cmpuint(a->revision, ==, b->revision);
        g_assert_cmpuint(a->mounted_revision, ==, b->mounted_revision);
        g_assert_cmpmem(a->mounted->data, a->mounted->len * sizeof(LayerRef), b->mounted->data,
                b->mounted->len * sizeof(LayerRef));
        g_assert_cmpint(a->mounted_by_hand, ==, b->mounted_by_hand);
        g_assert_cmpuint(a->created_at, ==, b->created_at);
}

static void test_instance(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) row = instance_new("versus-1", 65533), other = instance_new("other", 27015);
        uint64_t ids[2];

        for (unsigned i = 0; i < 2; i++) {
                g_autoptr(OverlayRow) overlay = overlay_new(i == 0 ? "maps" : "sourcemod");
                g_assert_cmpint(store_save_overlay(store, overlay, NULL), ==, 0);
                ids[i] = overlay->id;
        }
        set_text(&row->description, "Versus — \"one\"; it's");
        g_strfreev(row->arguments);
        row->arguments = g_strsplit("+map,c1m1_hotel,+sv_tags,a=b", ",", -1);
        g_array_append_val(row->overlays, ids[1]);
        g_array_append_val(row->overlays, ids[0]);
        set_text(&row->config, "hostname \"x\"\nrcon_password \"secret\"\n");
        row->enabled = true;
        row->revision = 7;
        row->mounted_revision = G_MAXUINT64;
        g_array_append_vals(row->mounted, (LayerRef[]){{ids[1], 3}, {ids[0], 1}, {99, 12}}, 3);
        row->mounted_by_hand = true;
        row->created_at = 1234567;
        g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, other, NULL), ==, 0);
        g_clear_pointer(&store, store_close);

        store = open_store(f->path);
        {
                g_autoptr(GPtrArray) rows = load_instances(store);
                g_assert_cmpuint(rows->len, ==, 2);
                assert_same_instance(rows->pdata[0], other);
                assert_same_instance(rows->pdata[1], row);
        }

        /* Saved again, with less in it. */
        g_strfreev(row->arguments);
        row->arguments = g_new0(char *, 1);
        g_array_set_size(row->overlays, 1);
        g_array_set_size(row->mounted, 0);
        row->ports[PORT_SOURCETV] = 2000;
        row->enabled = row->mounted_by_hand = false;
        g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
        {
                g_autoptr(GPtrArray) rows = load_instances(store);
                g_assert_cmpuint(rows->len, ==, 2);
                assert_same_instance(rows->pdata[1], row);
        }
        g_assert_cmpint(store_delete_instance(store, "versus-1", NULL), ==, 0);
        g_assert_cmpint(store_delete_instance(store, "versus-1", NULL), ==, 0);
        assert_n_instances(store, 1);
}

static void test_overlay(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(OverlayRow) row = overlay_new("maps");
        OverlayRow *loaded;

        set_text(&row->description, "Maps");
        set_text(&row->script, "#!/bin/bash\ntrue\n");
        row->time_limit = G_MAXUINT64;
        row->keep_generations = 5;
        row->size_limit = UINT64_C(1) << 40;
        row->file_limit = 1234;
        row->generation = 2;
        row->next_generation = 4;
        row->last_job = 9;
        for (unsigned i = 1; i <= 2; i++) {
                GenerationRow *generation = g_new0(GenerationRow, 1);

                *generation = (GenerationRow){
                        .number = i,
                        .built_at = 1700000000000000 + i,
                        .bytes = UINT64_C(9000000000) * i,
                        .files = 10 * i,
                        .digest = g_strdup_printf("sha256:%u", i),
                };
                g_ptr_array_add(row->generations, generation);
        }
        g_assert_cmpint(store_save_overlay(store, row, NULL), ==, 0);
        g_assert_cmpuint(row->id, ==, 1);
        g_clear_pointer(&store, store_close);

        store = open_store(f->path);
        {
                g_autoptr(GPtrArray) rows = load_overlays(store);
                g_assert_cmpuint(rows->len, ==, 1);
                loaded = rows->pdata[0];
                g_assert_cmpuint(loaded->id, ==, 1);
                g_assert_cmpstr(loaded->name, ==, "maps");
                g_assert_cmpstr(loaded->description, ==, "Maps");
                g_assert_cmpstr(loaded->kind, ==, "script");
                g_assert_cmpstr(loaded->script, ==, "#!/bin/bash\ntrue\n");
                g_assert_cmpuint(loaded->time_limit, ==, G_MAXUINT64);
                g_assert_cmpuint(loaded->keep_generations, ==, 5);
                g_assert_cmpuint(loaded->size_limit, ==, UINT64_C(1) << 40);
                g_assert_cmpuint(loaded->file_limit, ==, 1234);
                g_assert_cmpuint(loaded->generation, ==, 2);
                g_assert_cmpuint(loaded->next_generation, ==, 4);
                g_assert_cmpuint(loaded->last_job, ==, 9);
                g_assert_cmpuint(loaded->generations->len, ==, 2);
                for (unsigned i = 0; i < 2; i++) {
                        GenerationRow *a = row->generations->pdata[i], *b = loaded->generations->pdata[i];

                        g_assert_cmpuint(a->number, ==, b->number);
                        g_assert_cmpuint(a->built_at, ==, b->built_at);
                        g_assert_cmpuint(a->bytes, ==, b->bytes);
                        g_assert_cmpuint(a->files, ==, b->files);
                        g_assert_cmpstr(a->digest, ==, b->digest);
                }
        }
        g_ptr_array_remove_index(row->generations, 0);
        set_text(&row->name, "more-maps");
        g_assert_cmpint(store_save_overlay(store, row, NULL), ==, 0);
        {
                g_autoptr(GPtrArray) rows = load_overlays(store);
                loaded = rows->pdata[0];
                g_assert_cmpstr(loaded->name, ==, "more-maps");
                g_assert_cmpuint(loaded->generations->len, ==, 1);
                g_assert_cmpuint(((GenerationRow *)loaded->generations->pdata[0])->number, ==, 2);
        }
        row->next_generation = 3;
        assert_refused(store_save_overlay(store, row, &message), -EINVAL, "generation numbers only grow");
        row->next_generation = 4;
        g_assert_cmpint(store_delete_overlay(store, row->id, NULL), ==, 0);
        assert_refused(store_save_overlay(store, row, &message), -ENOENT, "not in the store");
}

static void test_job(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(JobRow) build = job_new("build"), deletion = job_new("delete-instance");
        JobRow *loaded;

        build->overlay = 4;
        set_text(&build->state, "running");
        set_text(&build->phase, "seal");
        set_text(&build->result, "exit-code");
        set_text(&build->message, "The script ended with status 3.");
        build->exit_status = -3;
        g_array_append_vals(build->requesters, (uint32_t[]){1000, 4294967294}, 2);
        build->queued_at = 1;
        build->started_at = 2;
        build->finished_at = 3;
        build->generation = 11;
        g_array_append_vals(build->generations, (uint64_t[]){9, 8}, 2);
        build->slot = 15;
        set_text(&build->boot_id, "b00t");
        g_assert_cmpint(store_save_job(store, build, NULL), ==, 0);
        set_text(&deletion->instance, "a");
        g_assert_cmpint(store_save_job(store, deletion, NULL), ==, 0);
        g_assert_cmpuint(build->id, ==, 1);
        g_assert_cmpuint(deletion->id, ==, 2);
        g_clear_pointer(&store, store_close);

        store = open_store(f->path);
        {
                g_autoptr(GPtrArray) rows = load_jobs(store);
                g_assert_cmpuint(rows->len, ==, 2);
                loaded = rows->pdata[0];
                g_assert_cmpuint(loaded->id, ==, 1);
                g_assert_cmpstr(loaded->kind, ==, "build");
                g_assert_cmpuint(loaded->overlay, ==, 4);
                g_assert_cmpstr(loaded->instance, ==, NULL);
                g_assert_cmpstr(loaded->subject_name, ==, "maps");
                g_assert_cmpstr(loaded->state, ==, "running");
                g_assert_cmpstr(loaded->phase, ==, "seal");
                g_assert_cmpstr(loaded->result, ==, "exit-code");
                g_assert_cmpstr(loaded->message, ==, "The script ended with status 3.");
                g_assert_cmpint(loaded->exit_status, ==, -3);
                g_assert_cmpuint(loaded->requesters->len, ==, 2);
                g_assert_cmpuint(g_array_index(loaded->requesters, uint32_t, 0), ==, 1000);
                g_assert_cmpuint(g_array_index(loaded->requesters, uint32_t, 1), ==, 4294967294);
                g_assert_cmpuint(loaded->queued_at, ==, 1);
                g_assert_cmpuint(loaded->started_at, ==, 2);
                g_assert_cmpuint(loaded->finished_at, ==, 3);
                g_assert_cmpuint(loaded->generation, ==, 11);
                g_assert_cmpuint(loaded->generations->len, ==, 2);
                g_assert_cmpuint(g_array_index(loaded->generations, uint64_t, 0), ==, 9);
                g_assert_cmpuint(g_array_index(loaded->generations, uint64_t, 1), ==, 8);
                g_assert_cmpint(loaded->slot, ==, 15);
                g_assert_cmpstr(loaded->boot_id, ==, "b00t");
                loaded = rows->pdata[1];
                g_assert_cmpstr(loaded->instance, ==, "a");
                g_assert_cmpint(loaded->slot, ==, -1);
        }
        g_array_set_size(build->requesters, 1);
        g_assert_cmpint(store_save_job(store, build, NULL), ==, 0);
        {
                g_autoptr(GPtrArray) rows = load_jobs(store);
                g_assert_cmpuint(rows->len, ==, 2);
                g_assert_cmpuint(((JobRow *)rows->pdata[0])->requesters->len, ==, 1);
        }
        g_assert_cmpint(store_delete_job(store, build->id, NULL), ==, 0);
        assert_refused(store_save_job(store, build, &message), -ENOENT, "Job 1 ");
        set_text(&deletion->kind, NULL);
        assert_refused(store_save_job(store, deletion, &message), -EINVAL, "job.kind");
}

static void test_ids_never_again(Fixture *f, gconstpointer data)
{
        for (unsigned i = 1; i <= 3; i++) {
                g_autoptr(Store) store = open_store(f->path);
                g_autoptr(OverlayRow) overlay = overlay_new("maps");
                g_autoptr(JobRow) job = job_new("build");

                g_assert_cmpint(store_save_overlay(store, overlay, NULL), ==, 0);
                g_assert_cmpint(store_save_job(store, job, NULL), ==, 0);
                g_assert_cmpuint(overlay->id, ==, i);
                g_assert_cmpuint(job->id, ==, i);
                g_assert_cmpint(store_delete_overlay(store, overlay->id, NULL), ==, 0);
                g_assert_cmpint(store_delete_job(store, job->id, NULL), ==, 0);
        }
}

static void test_taken(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) a = instance_new("a", 27015), b = instance_new("b", 27017);
        g_autoptr(OverlayRow) maps = overlay_new("maps"), again = overlay_new("maps");

        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        assert_refused(store_save_instance(store, b, &message), -EADDRINUSE,
                "Port 27017 is taken by instance \"a\"");
        assert_n_instances(store, 1);
        b->ports[PORT_GAME] = b->ports[PORT_CLIENT];
        assert_refused(store_save_instance(store, b, &message), -EADDRINUSE, "given twice to instance \"b\"");
        b->ports[PORT_GAME] = 0;
        assert_refused(store_save_instance(store, b, &message), -EINVAL, "port");
        assert_n_instances(store, 1);

        /* Inside a transaction too, where what went well stays. */
        b->ports[PORT_GAME] = 27016;
        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_save_overlay(store, maps, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, b, NULL), ==, -EADDRINUSE);
        assert_refused(store_save_overlay(store, again, &message), -EEXIST,
                "The name \"maps\" is taken by overlay 1");
        g_assert_cmpuint(again->id, ==, 0);
        g_assert_cmpint(store_commit(store, NULL), ==, 0);
        assert_n_instances(store, 1);
        {
                g_autoptr(GPtrArray) rows = load_overlays(store);
                g_assert_cmpuint(rows->len, ==, 1);
        }
        set_text(&again->name, "maps2");
        g_assert_cmpint(store_save_overlay(store, again, NULL), ==, 0);
        set_text(&again->name, "maps");
        g_assert_cmpint(store_save_overlay(store, again, NULL), ==, -EEXIST);

        /* The database keeps it, whoever asks. */
        assert_refused(store_run(store, &message,
                               "INSERT INTO instance_port (instance, purpose, port) VALUES ('a', 0, 27015)"),
                -EEXIST, "UNIQUE");
}

static void test_listed_overlay(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) row = instance_new("a", 27015);
        g_autoptr(OverlayRow) overlay = overlay_new("maps");
        uint64_t nobody = 77;

        g_assert_cmpint(store_save_overlay(store, overlay, NULL), ==, 0);
        g_array_append_val(row->overlays, overlay->id);
        g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
        assert_refused(store_delete_overlay(store, overlay->id, &message), -EBUSY,
                "Overlay \"maps\" is listed by instance \"a\"");
        g_assert_cmpint(store_run(store, NULL, "DELETE FROM overlay"), <, 0);
        g_array_set_size(row->overlays, 0);
        g_array_append_val(row->overlays, nobody);
        assert_refused(store_save_instance(store, row, &message), -ENOENT, "FOREIGN KEY");
        {
                g_autoptr(GPtrArray) rows = load_instances(store);
                GArray *overlays = ((InstanceRow *)rows->pdata[0])->overlays;
                g_assert_cmpuint(overlays->len, ==, 1);
                g_assert_cmpuint(g_array_index(overlays, uint64_t, 0), ==, overlay->id);
        }
        g_array_set_size(row->overlays, 0);
        g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
        g_assert_cmpint(store_delete_overlay(store, overlay->id, NULL), ==, 0);
}

static void test_transaction(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) a = instance_new("a", 27015), b = instance_new("b", 27018);

        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        store_rollback(store);
        assert_n_instances(store, 0);

        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, b, NULL), ==, 0);
        g_assert_cmpint(store_commit(store, NULL), ==, 0);
        assert_n_instances(store, 2);

        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_delete_instance(store, "a", NULL), ==, 0);
        g_clear_pointer(&store, store_close);
        store = open_store(f->path);
        assert_n_instances(store, 2);
}

static void test_free_ports(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) a = instance_new("a", 100), end = instance_new("end", 65532);
        uint16_t ports[4] = {1, 2, 3, 4};

        g_assert_cmpint(store_find_free_ports(store, 100, 103, ports, 4, NULL), ==, 0);
        g_assert_cmpmem(ports, sizeof(ports), ((uint16_t[]){100, 101, 102, 103}), 8);
        a->ports[PORT_GAME] = 101;
        a->ports[PORT_SOURCETV] = 104;
        a->ports[PORT_CLIENT] = 103;
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, end, NULL), ==, 0);
        g_assert_cmpint(store_find_free_ports(store, 100, 105, ports, 3, NULL), ==, 0);
        g_assert_cmpmem(ports, 6, ((uint16_t[]){100, 102, 105}), 6);

        ports[0] = 9;
        assert_refused(store_find_free_ports(store, 100, 104, ports, 3, &message), -EADDRINUSE,
                "Of the ports 100-104 only 2 are free and 3 are needed");
        assert_refused(store_find_free_ports(store, 103, 104, ports, 1, &message), -EADDRINUSE, "only 0");
        assert_refused(store_find_free_ports(store, 200, 199, ports, 1, &message), -EADDRINUSE, "only 0");
        g_assert_cmpuint(ports[0], ==, 9);
        g_assert_cmpint(store_find_free_ports(store, 65530, 65535, ports, 3, NULL), ==, 0);
        g_assert_cmpmem(ports, 6, ((uint16_t[]){65530, 65531, 65535}), 6);
}

static void assert_mode(const char *path, const char *suffix)
{
        g_autofree char *file = g_strconcat(path, suffix, NULL);
        struct stat st;

        g_assert_cmpint(lstat(file, &st), ==, 0);
        g_assert_cmphex(st.st_mode, ==, S_IFREG | 0600);
}

static void test_mode(Fixture *f, gconstpointer data)
{
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        mode_t old = umask(0);

        for (unsigned round = 0; round < 2; round++) {
                g_autoptr(Store) store = open_store(f->path);
                g_autoptr(InstanceRow) row = instance_new("a", 27015);

                g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
                for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
                        assert_mode(f->path, suffixes[i]);
                if (round == 0) {
                        /* As a backup or a copy may leave them. */
                        for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
                                g_autofree char *file = g_strconcat(f->path, suffixes[i], NULL);
                                g_autofree char *copy = g_strconcat(file, ".copy", NULL), *bytes = NULL;
                                gsize length;

                                g_assert_true(g_file_get_contents(file, &bytes, &length, NULL));
                                g_assert_true(g_file_set_contents_full(
                                        copy, bytes, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
                        }
                        g_clear_pointer(&store, store_close);
                        for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
                                g_autofree char *file = g_strconcat(f->path, suffixes[i], NULL);
                                g_autofree char *copy = g_strconcat(file, ".copy", NULL);
                                g_assert_cmpint(rename(copy, file), ==, 0);
                        }
                } else {
                        assert_n_instances(store, 1);
                }
        }
        umask(old);
}

static void test_foreign_file(Fixture *f, gconstpointer data)
{
        g_autofree char *elsewhere = g_build_filename(f->directory, "elsewhere", NULL);
        g_autofree char *log = g_strconcat(f->path, "-wal", NULL);

        store_close(open_store(elsewhere));
        g_assert_cmpint(symlink("elsewhere", f->path), ==, 0);
        assert_open_refused(f->path, -ELOOP, "symbolic link");
        g_assert_cmpint(unlink(f->path), ==, 0);
        g_assert_cmpint(symlink("nowhere", f->path), ==, 0);
        assert_open_refused(f->path, -ELOOP, "symbolic link");
        g_assert_cmpint(unlink(f->path), ==, 0);

        store_close(open_store(f->path));
        g_assert_cmpint(symlink("elsewhere", log), ==, 0);
        assert_open_refused(f->path, -ELOOP, "host.db-wal");
        g_assert_cmpint(unlink(log), ==, 0);
        if (geteuid() == 0) {
                g_assert_cmpint(chown(f->path, 65534, 0), ==, 0);
                assert_open_refused(f->path, -EPERM, "uid 65534");
        }
        g_assert_cmpint(unlink(f->path), ==, 0);
        g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
        assert_open_refused(f->path, -EINVAL, "not a plain file");
}

static void write_at(const char *path, off_t offset, size_t length)
{
        g_autofree char *bytes = g_strnfill(length, 'x');
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(pwrite(fd, bytes, length, offset), ==, (ssize_t)length);
}

/* The file must be refused and stand there unchanged. */
static void assert_damaged(const char *path)
{
        g_autofree char *before = NULL, *after = NULL;
        gsize length_before, length_after;

        g_assert_true(g_file_get_contents(path, &before, &length_before, NULL));
        assert_open_refused(path, -EBADMSG, "is damaged");
        assert_open_refused(path, -EBADMSG, path);
        g_assert_true(g_file_get_contents(path, &after, &length_after, NULL));
        g_assert_cmpmem(before, length_before, after, length_after);
}

static void test_damaged(Fixture *f, gconstpointer data)
{
        g_autofree char *log = g_strconcat(f->path, "-wal", NULL), *whole = NULL;
        gsize length;

        {
                g_autoptr(Store) store = open_store(f->path);
                for (unsigned i = 0; i < 200; i++) {
                        g_autofree char *name = g_strdup_printf("i%u", i);
                        g_autoptr(InstanceRow) row = instance_new(name, (uint16_t)(2000 + i * 3));
                        if (i == 0)
                                g_assert_cmpint(store_begin(store, NULL), ==, 0);
                        g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
                }
                g_assert_cmpint(store_commit(store, NULL), ==, 0);
        }
        g_assert_true(g_file_get_contents(f->path, &whole, &length, NULL));
        g_assert_cmpuint(length, >, 8 * 4096);

        for (gsize page = 0; page < length / 4096; page++) { /* any page, its b-tree header */
                write_at(f->path, (off_t)page * 4096, 64);
                assert_damaged(f->path);
                g_assert_true(g_file_set_contents(f->path, whole, (gssize)length, NULL));
        }
        g_assert_cmpint(truncate(f->path, (off_t)length - 3 * 4096), ==, 0);
        assert_damaged(f->path);
        g_assert_cmpint(truncate(f->path, 100), ==, 0);
        assert_damaged(f->path);
        g_assert_cmpint(truncate(f->path, 0), ==, 0);
        assert_damaged(f->path);
        g_assert_true(g_file_set_contents(f->path, "This is no database, but long enough.\n", -1, NULL));
        assert_damaged(f->path);

        /* A whole file with a row in it that this program cannot have written. */
        {
                sqlite3 *db = NULL;

                g_assert_true(g_file_set_contents(f->path, whole, (gssize)length, NULL));
                g_assert_cmpint(sqlite3_open(f->path, &db), ==, SQLITE_OK);
                g_assert_cmpint(sqlite3_exec(db,
                                        "PRAGMA ignore_check_constraints = 1;"
                                        "UPDATE instance_port SET purpose = 3 WHERE port = 2000",
                                        NULL, NULL, NULL),
                        ==, SQLITE_OK);
                g_assert_cmpint(sqlite3_close(db), ==, SQLITE_OK);
                assert_damaged(f->path);
        }

        /* A lost file whose log is there is not a first start. */
        g_assert_cmpint(unlink(f->path), ==, 0);
        g_assert_true(g_file_set_contents(log, "log", -1, NULL));
        assert_open_refused(f->path, -EBADMSG, "is missing");
        g_assert_cmpint(access(f->path, F_OK), ==, -1);
        g_assert_cmpint(unlink(log), ==, 0);

        /* What a killed first start leaves is no hindrance. */
        {
                g_autofree char *unfinished = g_strconcat(f->path, ".new", NULL);
                g_assert_true(g_file_set_contents(unfinished, "half", -1, NULL));
                store_close(open_store(f->path));
                g_assert_cmpint(access(unfinished, F_OK), ==, -1);
        }
}

static uint64_t ask_number(Store *store, const char *sql)
{
        g_autoptr(Statement) statement = NULL;

        g_assert_cmpint(store_prepare(store, &statement, NULL, sql), ==, 0);
        g_assert_cmpint(store_step(store, statement, NULL), ==, 1);
        return column_number(statement, 0);
}

static void test_pragmas(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(Statement) statement = NULL;

        g_assert_cmpuint(ask_number(store, "PRAGMA user_version"), ==, G_N_ELEMENTS(store_migrations));
        g_assert_cmpuint(ask_number(store, "PRAGMA synchronous"), ==, 2);
        g_assert_cmpuint(ask_number(store, "PRAGMA foreign_keys"), ==, 1);
        g_assert_cmpint(store_prepare(store, &statement, NULL, "PRAGMA journal_mode"), ==, 0);
        g_assert_cmpint(store_step(store, statement, NULL), ==, 1);
        g_assert_cmpstr((const char *)sqlite3_column_text(statement, 0), ==, "wal");
}

static void test_newer(Fixture *f, gconstpointer data)
{
        g_autofree char *numbers =
                g_strdup_printf("schema 4711, and this left4me-hostd knows schemas up to %zu",
                        G_N_ELEMENTS(store_migrations));
        g_autoptr(Store) store = open_store(f->path);

        g_assert_cmpint(store_run(store, NULL, "PRAGMA user_version = 4711"), ==, 0);
        g_clear_pointer(&store, store_close);
        assert_open_refused(f->path, -EPROTO, numbers);
}

/* A store as an older version left it: with the first `version` steps alone. */
static void make_older(const char *path, size_t version)
{
        g_autoptr(Store) store = g_new0(Store, 1);

        store->path = g_strdup(path);
        g_assert_cmpint(sqlite3_open(path, &store->db), ==, SQLITE_OK);
        g_assert_cmpint(store_run(store, NULL, "PRAGMA journal_mode = WAL"), ==, 1);
        g_assert_cmpint(store_migrate(store, store_migrations, version, NULL), ==, 0);
}

static void test_upgrade(Fixture *f, gconstpointer data)
{
        for (size_t version = 0; version <= G_N_ELEMENTS(store_migrations); version++) {
                g_autofree char *path = g_strdup_printf("%s-%zu", f->path, version);
                g_autoptr(Store) store = NULL;
                g_autoptr(InstanceRow) row = instance_new("a", 27015);

                make_older(path, version);
                store = open_store(path);
                g_assert_cmpuint(
                        ask_number(store, "PRAGMA user_version"), ==, G_N_ELEMENTS(store_migrations));
                g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
        }
}

static void test_failed_step(Fixture *f, gconstpointer data)
{
        static const char *const steps[] = {
                "CREATE TABLE a (x)",
                "CREATE TABLE b (x); INSERT INTO b VALUES (1); SELECT no_such_thing",
                "CREATE TABLE c (x)",
        };
        g_autoptr(Store) store = g_new0(Store, 1);

        store->path = g_strdup(f->path);
        g_assert_cmpint(sqlite3_open(f->path, &store->db), ==, SQLITE_OK);
        assert_refused(store_migrate(store, steps, 3, &message), -EIO, "no_such_thing");
        g_assert_cmpuint(ask_number(store, "PRAGMA user_version"), ==, 1);
        g_assert_cmpuint(ask_number(store, "SELECT count(*) FROM sqlite_schema"), ==, 1);
        g_assert_false(store->in_transaction);
}

/* A child saves round after round and tells each round once it is committed, until it is killed. */
static void save_until_killed(const char *path, int fd)
{
        g_autoptr(Store) store = open_store(path);

        for (unsigned round = 1;; round++) {
                g_autoptr(InstanceRow) row = instance_new("a", (uint16_t)(1000 + round));
                g_autoptr(JobRow) job = job_new("build");

                row->revision = round;
                g_assert_cmpint(store_begin(store, NULL), ==, 0);
                g_assert_cmpint(store_save_instance(store, row, NULL), ==, 0);
                g_assert_cmpint(store_save_job(store, job, NULL), ==, 0);
                g_assert_cmpint(store_commit(store, NULL), ==, 0);
                g_assert_cmpint(write(fd, &round, sizeof(round)), ==, sizeof(round));
        }
}

static void test_killed_any_time(Fixture *f, gconstpointer data)
{
        for (unsigned i = 0; i < 12; i++) {
                g_autofree char *path = g_strdup_printf("%s-%u", f->path, i);
                unsigned round = 0, told;
                int fds[2], status;
                pid_t pid;

                g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
                pid = fork();
                if (pid == 0) {
                        save_until_killed(path, fds[1]);
                        _exit(1);
                }
                close(fds[1]);
                g_assert_cmpint(read(fds[0], &round, sizeof(round)), ==, sizeof(round));
                g_usleep((gulong)g_random_int_range(0, 5000));
                g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_true(WIFSIGNALED(status));
                while (read(fds[0], &told, sizeof(told)) == sizeof(told))
                        round = told;
                close(fds[0]);

                g_autoptr(Store) store = open_store(path);
                g_autoptr(GPtrArray) rows = load_instances(store), jobs = load_jobs(store);
                InstanceRow *row;

                g_assert_cmpuint(rows->len, ==, 1);
                row = rows->pdata[0];
                g_assert_cmpuint(row->revision, >=, round);
                g_assert_cmpuint(row->revision, <=, round + 1);
                g_assert_cmpuint(row->ports[PORT_GAME], ==, 1000 + row->revision);
                g_assert_cmpuint(jobs->len, ==, row->revision);
        }
}

static void test_killed_inside(Fixture *f, gconstpointer data)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                g_autoptr(Store) store = open_store(f->path);
                g_autoptr(InstanceRow) a = instance_new("a", 27015), b = instance_new("b", 27018);

                g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
                g_assert_cmpint(store_begin(store, NULL), ==, 0);
                g_assert_cmpint(store_save_instance(store, b, NULL), ==, 0);
                /* Written to the log even, but not committed. */
                sqlite3_db_cacheflush(store->db);
                raise(SIGKILL);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(GPtrArray) rows = load_instances(store);
        g_assert_cmpuint(rows->len, ==, 1);
        g_assert_cmpstr(((InstanceRow *)rows->pdata[0])->name, ==, "a");
}

static void set_large_config(InstanceRow *row, size_t length)
{
        g_free(row->config);
        row->config = g_strnfill(length, 'c');
}

/* What is full stays as it was, and works again when there is room. */
static void check_full(Store *store, int (*make_room)(Store *store))
{
        g_autoptr(InstanceRow) a = instance_new("a", 27015), b = instance_new("b", 27018);
        g_autoptr(OverlayRow) maps = overlay_new("maps");
        int r;

        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        set_large_config(a, 2 * 1024 * 1024);
        a->ports[PORT_GAME] = 30000;
        assert_refused(store_save_instance(store, a, &message), -ENOSPC, "Free space");
        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_save_overlay(store, maps, NULL), ==, 0);
        /* SQLite may hold the pages back until the commit. */
        r = store_save_instance(store, a, NULL);
        if (r == 0)
                r = store_commit(store, NULL);
        else
                store_rollback(store);
        g_assert_cmpint(r, ==, -ENOSPC);
        {
                g_autoptr(GPtrArray) rows = load_instances(store), overlays = load_overlays(store);
                InstanceRow *row = rows->pdata[0];

                g_assert_cmpuint(rows->len, ==, 1);
                g_assert_cmpuint(overlays->len, ==, 0);
                g_assert_cmpstr(row->config, ==, "");
                g_assert_cmpuint(row->ports[PORT_GAME], ==, 27015);
        }
        g_assert_cmpint(make_room(store), ==, 0);
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, b, NULL), ==, 0);
        assert_n_instances(store, 2);
}

static int lift_page_limit(Store *store)
{
        return sqlite3_exec(store->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
}

static void test_full(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);

        g_assert_cmpint(sqlite3_exec(store->db, "PRAGMA max_page_count = 100", NULL, NULL, NULL), ==, 0);
        check_full(store, lift_page_limit);
}

static int grow_filesystem(Store *store)
{
        g_autofree char *directory = g_path_get_dirname(store->path);

        return mount(NULL, directory, NULL, MS_REMOUNT, "size=32m");
}

/* On a filesystem that is really full; in a child, which takes its mount namespace along. */
static void test_full_filesystem(Fixture *f, gconstpointer data)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                        mount("full", f->directory, "tmpfs", 0, "size=700k") < 0)
                        _exit(77);
                {
                        g_autoptr(Store) store = open_store(f->path);
                        check_full(store, grow_filesystem);
                }
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                g_test_skip("needs the right to mount");
        else
                g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void test_given_up(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) a = instance_new("a", 27015), b = instance_new("b", 27018);

        g_assert_cmpint(store_begin(store, NULL), ==, 0);
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        /* As SQLite does by itself after an I/O error. */
        g_assert_cmpint(sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL), ==, SQLITE_OK);
        assert_refused(store_save_instance(store, b, &message), -EIO, "took the transaction back");
        assert_refused(store_delete_instance(store, "a", &message), -EIO, "took the transaction back");
        assert_refused(store_commit(store, &message), -EIO, "took the transaction back");
        assert_n_instances(store, 0);
        g_assert_cmpint(store_save_instance(store, b, NULL), ==, 0);
}

static void test_trouble(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(InstanceRow) a = instance_new("a", 27015);
        sqlite3 *second = NULL;

        g_assert_cmpint(store_run(store, NULL, "PRAGMA query_only = 1"), ==, 0);
        assert_refused(store_save_instance(store, a, &message), -EIO, "readonly");
        g_assert_cmpint(store_run(store, NULL, "PRAGMA query_only = 0"), ==, 0);

        /* Somebody with sqlite3(1). */
        g_assert_cmpint(sqlite3_open(f->path, &second), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(second, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
        assert_refused(store_save_instance(store, a, &message), -EAGAIN, "another program");
        g_assert_cmpint(sqlite3_close(second), ==, SQLITE_OK);
        g_assert_cmpint(store_save_instance(store, a, NULL), ==, 0);
        assert_n_instances(store, 1);
}

static void test_log(Fixture *f, gconstpointer data)
{
        g_autoptr(Store) store = open_store(f->path);
        g_autoptr(JobRow) job = job_new("build"), silent = job_new("build");
        g_autoptr(GBytes) lines = g_bytes_new_static("a\0\xff", 3), none = g_bytes_new(NULL, 0);
        g_autoptr(GBytes) loaded = NULL, loaded_none = NULL;
        g_autofree char *first = NULL, *first_none = NULL;
        g_autoptr(GArray) jobs = NULL;

        g_assert_cmpint(store_save_job(store, job, NULL), ==, 0);
        g_assert_cmpint(store_save_job(store, silent, NULL), ==, 0);
        g_assert_cmpint(store_load_log(store, job->id, &first, &loaded, NULL), ==, 0);
        g_assert_cmpint(store_save_log(store, job->id, "cursor", lines, NULL), ==, 0);
        g_assert_cmpint(store_save_log(store, silent->id, "", none, NULL), ==, 0);
        assert_refused(store_save_log(store, 4711, "", none, &message), -ENOENT, "does not accept");

        /* What the journal still has later may be less. */
        g_assert_cmpint(store_save_log(store, job->id, "", none, NULL), ==, 0);
        g_assert_cmpint(store_load_log(store, job->id, &first, &loaded, NULL), ==, 1);
        g_assert_cmpstr(first, ==, "cursor");
        g_assert_true(g_bytes_equal(loaded, lines));
        g_assert_cmpint(store_load_log(store, silent->id, &first_none, &loaded_none, NULL), ==, 1);
        g_assert_cmpstr(first_none, ==, "");
        g_assert_cmpuint(g_bytes_get_size(loaded_none), ==, 0);

        g_assert_cmpint(store_delete_job(store, job->id, NULL), ==, 0);
        g_assert_cmpint(store_load_logged_jobs(store, &jobs, NULL), ==, 0);
        g_assert_cmpuint(jobs->len, ==, 1);
        g_assert_cmpuint(g_array_index(jobs, uint64_t, 0), ==, silent->id);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add("/store/" name, Fixture, NULL, set_up, function, tear_down)
        TEST("instance", test_instance);
        TEST("overlay", test_overlay);
        TEST("job", test_job);
        TEST("log", test_log);
        TEST("ids-never-again", test_ids_never_again);
        TEST("taken", test_taken);
        TEST("listed-overlay", test_listed_overlay);
        TEST("transaction", test_transaction);
        TEST("free-ports", test_free_ports);
        TEST("mode", test_mode);
        TEST("foreign-file", test_foreign_file);
        TEST("damaged", test_damaged);
        TEST("pragmas", test_pragmas);
        TEST("newer", test_newer);
        TEST("upgrade", test_upgrade);
        TEST("failed-step", test_failed_step);
        TEST("killed-any-time", test_killed_any_time);
        TEST("killed-inside", test_killed_inside);
        TEST("full", test_full);
        TEST("full-filesystem", test_full_filesystem);
        TEST("given-up", test_given_up);
        TEST("trouble", test_trouble);
#undef TEST
        return g_test_run();
}
