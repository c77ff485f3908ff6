/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-keep.h"
#include "job-log.h"
#include "job.h"
#include "overlay.h"

static bool is_last_build(const Job *job)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);

        return overlay && overlay->row->last_job == job->row->id;
}

static gint compare_ends(gconstpointer a, gconstpointer b)
{
        const JobRow *x = (*(Job *const *)a)->row, *y = (*(Job *const *)b)->row;

        return (x->finished_at < y->finished_at) - (x->finished_at > y->finished_at);
}

/* Returns: those that may go, the last one that ended first. */
static GPtrArray *list_finished(Host *host)
{
        GPtrArray *jobs = g_ptr_array_new();

        for (GTreeNode *n = g_tree_node_last(host->jobs); n; n = g_tree_node_previous(n)) {
                Job *job = g_tree_node_value(n);

                if (job_is_finished(job) && !is_last_build(job))
                        g_ptr_array_add(jobs, job);
        }
        g_ptr_array_sort(jobs, compare_ends);
        return jobs;
}

static void drop(Job *job)
{
        g_autofree char *message = NULL;

        if (store_delete_job(job->host->store, job->row->id, &message) < 0) {
                g_warning("Job %s stays: %s", job->id, message);
                return;
        }
        host_object_removed(job->host, OBJECT_JOB, job->id);
        job_log_end(job);
        job_free(job);
}

static gboolean on_drop(gpointer userdata)
{
        Host *host = userdata;
        g_autoptr(GPtrArray) jobs = list_finished(host);
        uint64_t age = host->settings->keep_finished_age, now = host_now(), next = 0;

        host->drop = 0;
        for (guint n = 0; n < jobs->len; n++) {
                Job *job = jobs->pdata[n];
                uint64_t due = job->row->finished_at + age;

                if (n >= host->settings->keep_finished || (age && due <= now))
                        drop(job);
                else
                        next = due; /* the last one that stays is the oldest */
        }
        if (age && next)
                host->drop = g_timeout_add_seconds((guint)((next - now) / G_USEC_PER_SEC + 1), on_drop, host);
        return G_SOURCE_REMOVE;
}

void jobs_drop_old(Host *host)
{
        if (host->drop)
                g_source_remove(host->drop);
        host->drop = g_idle_add(on_drop, host);
}
