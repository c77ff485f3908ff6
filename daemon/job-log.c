/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A finished job's lines come from the journal as long as it has the first of those that were put aside, then
 * from the store. Cursors of the two differ: "kept:3" stands behind the third line put aside. */
#include "job-log.h"
#include "job-progress.h"
#include "job-unit.h"

#include <gio/gio.h>
#include <string.h>

#define KEEP_SIZE   (64 * 1024) /* bytes, newlines counted */
#define KEPT_TYPE   "a(tuay)"
#define KEPT_PREFIX "kept:"
#define SYNC_TRIES  10
#define SYNC_PAUSE  (G_USEC_PER_SEC / 2) /* journald may be on its way up */
/* Units are named by job, and ids count up; only where an administrator began with an empty store has the
 * journal lines of another job of that name. The clock may be set back a little while a job runs. */
#define CLOCK_SLACK (60 * G_USEC_PER_SEC)

static JournalLines *log_lines(const Job *job)
{
        return journal_lines_new(job_unit_make_all_names(job), job->row->queued_at - CLOCK_SLACK);
}

/* Putting aside */

typedef struct Keeping {
        Host *host;
        uint64_t job;
        JournalLines *which;
        int sync_result, result;
        GPtrArray *lines;
} Keeping;

static void keeping_free(Keeping *k)
{
        journal_lines_free(k->which);
        g_clear_pointer(&k->lines, g_ptr_array_unref);
        g_free(k);
}

static void run_keeping(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        Keeping *k = data;

        for (unsigned n = 0;
                n < SYNC_TRIES && (k->sync_result = journal_synchronize()) < 0 && k->sync_result != -EAGAIN;
                n++)
                g_usleep(SYNC_PAUSE);
        k->result = journal_read_tail(k->which, KEEP_SIZE, &k->lines);
        g_task_return_boolean(task, TRUE);
}

static GBytes *pack(const GPtrArray *lines)
{
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE(KEPT_TYPE));
        g_autoptr(GVariant) packed = NULL;

        for (guint n = 0; n < lines->len; n++) {
                const JournalLine *line = lines->pdata[n];
                gsize size;
                gconstpointer text = g_bytes_get_data(line->text, &size);

                g_variant_builder_add(&builder, "(tu@ay)", line->time, line->priority,
                        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, size, 1));
        }
        packed = g_variant_ref_sink(g_variant_builder_end(&builder));
        return g_variant_get_data_as_bytes(packed);
}

/* What cannot be put aside now is tried again at the program's next start. */
static void keep(Job *job, const Keeping *k)
{
        const JournalLine *first = k->lines && k->lines->len ? k->lines->pdata[0] : NULL;
        g_autoptr(GBytes) packed = k->lines ? pack(k->lines) : NULL;
        g_autofree char *message = NULL;

        if (k->sync_result < 0)
                g_warning("The log of job %s may lack its last lines: journald did not say that it has them "
                          "all: "
                          "%s",
                        job->id, g_strerror(-k->sync_result));
        if (k->result < 0)
                g_warning("The log of job %s cannot be read: %s", job->id, g_strerror(-k->result));
        else if (store_save_log(
                         job->host->store, job->row->id, first ? first->cursor : "", packed, &message) < 0)
                g_warning("The log of job %s is not put aside: %s", job->id, message);
}

static void on_kept(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Keeping *k = userdata;
        Host *host = k->host;
        Job *job = job_find(host, k->job, NULL);

        if (job) {
                keep(job, k);
                job_progress_end(job);
        }
        keeping_free(k);
        host->is_keeping_log = false;
        jobs_keep_logs(host);
}

static bool is_to_be_kept(const Job *job)
{
        return job_is_finished(job) && job->row->started_at && !job->is_log_seen_to;
}

void jobs_keep_logs(Host *host)
{
        Keeping *k;
        g_autoptr(GTask) task = NULL;
        Job *job = NULL;

        for (GTreeNode *n = g_tree_node_first(host->jobs); n && !job; n = g_tree_node_next(n))
                job = is_to_be_kept(g_tree_node_value(n)) ? g_tree_node_value(n) : NULL;
        if (!job || host->is_keeping_log)
                return;
        host->is_keeping_log = job->is_log_seen_to = true;
        k = g_new0(Keeping, 1);
        *k = (Keeping){.host = host, .job = job->row->id, .which = log_lines(job)};
        task = g_task_new(NULL, NULL, on_kept, k);
        g_task_set_task_data(task, k, NULL);
        g_task_run_in_thread(task, run_keeping);
}

void jobs_load_logs(Host *host)
{
        g_autoptr(GArray) ids = NULL;
        g_autofree char *message = NULL;

        if (store_load_logged_jobs(host->store, &ids, &message) < 0) {
                g_warning("Which logs are put aside is not known: %s", message);
                return;
        }
        for (guint n = 0; n < ids->len; n++) {
                Job *job = job_find(host, g_array_index(ids, uint64_t, n), NULL);

                if (job)
                        job->is_log_seen_to = true;
        }
        jobs_keep_logs(host);
}

/* Reading */

typedef struct Reading {
        uint64_t job;
        JournalLines *which;
        char *cursor;
        unsigned max;
        JobLogDone done;
        void *userdata;
        char *first;  /* of those put aside: "" when there are none, NULL when nothing was put aside yet */
        GBytes *kept; /* those */
        int result;
        bool is_rotated; /* the journal has not got `first` any more */
        GPtrArray *lines;
        bool is_end;
} Reading;

static void finish_reading(Reading *x, const GError *error)
{
        x->done(error ? NULL : x->lines, x->is_end, error, x->userdata);
        journal_lines_free(x->which);
        g_free(x->cursor);
        g_free(x->first);
        g_clear_pointer(&x->kept, g_bytes_unref);
        g_clear_pointer(&x->lines, g_ptr_array_unref);
        g_free(x);
}

static void refuse_cursor(Reading *x)
{
        g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_CURSOR_GONE,
                "The log of job %" G_GUINT64_FORMAT " has no line with this cursor, or has it no more; read "
                "from the beginning, with an empty cursor",
                x->job);

        finish_reading(x, error);
}

static JournalLine *unpack_line(GVariant *packed, gsize n)
{
        g_autoptr(GVariant) text = NULL;
        guint64 time;
        guint32 priority;

        g_variant_get_child(packed, n, "(tu@ay)", &time, &priority, &text);
        return journal_line_new(time, priority, g_variant_get_data_as_bytes(text),
                g_strdup_printf(KEPT_PREFIX "%" G_GSIZE_FORMAT, n + 1));
}

static void read_kept(Reading *x)
{
        g_autoptr(GVariant) packed =
                g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(KEPT_TYPE), x->kept, FALSE));
        gsize n_lines = g_variant_n_children(packed);
        guint64 n = 0;

        if (*x->cursor && (n_lines == 0 || !g_ascii_string_to_unsigned(x->cursor + strlen(KEPT_PREFIX), 10, 1,
                                                   n_lines, &n, NULL))) {
                refuse_cursor(x);
                return;
        }
        x->lines = g_ptr_array_new_with_free_func((GDestroyNotify)journal_line_free);
        for (; n < n_lines && x->lines->len < x->max; n++)
                g_ptr_array_add(x->lines, unpack_line(packed, n));
        x->is_end = n == n_lines;
        finish_reading(x, NULL);
}

static void run_reading(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        Reading *x = data;
        g_autoptr(GPtrArray) none = NULL;
        bool is_end;

        x->is_rotated = !*x->cursor && x->first && *x->first &&
                        journal_read(x->which, x->first, 0, &none, &is_end) == -ESTALE;
        if (!x->is_rotated)
                x->result = journal_read(x->which, x->cursor, x->max, &x->lines, &x->is_end);
        g_task_return_boolean(task, TRUE);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Reading *x = userdata;
        g_autoptr(GError) error = NULL;

        if (x->is_rotated)
                read_kept(x);
        else if (x->result == -ESTALE)
                refuse_cursor(x);
        else {
                if (x->result < 0)
                        error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                                "The journal cannot be read: %s", g_strerror(-x->result));
                finish_reading(x, error);
        }
}

static void begin_reading(Reading *x)
{
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_read, x);

        g_task_set_task_data(task, x, NULL);
        g_task_set_priority(task, G_PRIORITY_LOW); /* the steps of jobs go first */
        g_task_run_in_thread(task, run_reading);
}

void job_read_log(Job *job, const char *cursor, unsigned max, JobLogDone done, void *userdata)
{
        Reading *x = g_new0(Reading, 1);
        g_autoptr(GError) error = NULL;
        char *message = NULL;
        int r;

        *x = (Reading){.job = job->row->id,
                .which = log_lines(job),
                .cursor = g_strdup(cursor),
                .max = max ? MIN(max, JOB_LOG_LINES) : JOB_LOG_LINES,
                .done = done,
                .userdata = userdata};
        r = store_load_log(job->host->store, x->job, &x->first, &x->kept, &message);
        if (r < 0) {
                host_store_error(&error, r, message);
                finish_reading(x, error);
        } else if (!g_str_has_prefix(cursor, KEPT_PREFIX))
                begin_reading(x);
        else if (x->kept)
                read_kept(x);
        else
                refuse_cursor(x);
}
