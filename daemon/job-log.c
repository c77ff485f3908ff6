/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-log.h"
#include "job-progress.h"
#include "job-unit.h"
#include "log-stream.h"

#include <gio/gio.h>

#define KEEP_SIZE  (64 * 1024) /* bytes, newlines counted */
#define SYNC_TRIES 10
#define SYNC_PAUSE (G_USEC_PER_SEC / 2) /* journald may be on its way up */
/* Units are named by job, and ids count up; only where an administrator began with an empty store has the
 * journal lines of another job of that name. The clock may be set back a little while a job runs. */
#define CLOCK_SLACK (60 * G_USEC_PER_SEC)

static JournalLines *log_lines(const Job *job)
{
        return journal_lines_new(job_unit_make_all_names(job), job->row->queued_at - CLOCK_SLACK);
}

static char *log_name(const Job *job)
{
        return g_strdup_printf("job %s", job->id);
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

/* What cannot be put aside now is tried again at the program's next start. */
static void keep(Job *job, const Keeping *k)
{
        const JournalLine *first = k->lines && k->lines->len ? k->lines->pdata[0] : NULL;
        g_autoptr(GBytes) packed = k->lines ? log_pack(k->lines) : NULL;
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
                job_log_end(job);
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
                        job->is_log_seen_to = job->is_log_whole = true;
        }
        jobs_keep_logs(host);
}

/* Reading */

bool job_log_is_whole(const Job *job)
{
        return job_is_finished(job) && (job->is_log_whole || !job->row->started_at);
}

void job_log_end(Job *job)
{
        g_autofree char *name = log_name(job);

        job->is_log_whole = true;
        log_streams_end(job->host, name);
}

Log *job_log_new(Job *job, GError **error)
{
        g_autoptr(Log) log = log_new(log_name(job), log_lines(job));
        char *message = NULL;
        int r = store_load_log(job->host->store, job->row->id, &log->first, &log->kept, &message);

        if (r < 0) {
                host_store_error(error, r, message);
                return NULL;
        }
        return g_steal_pointer(&log);
}
