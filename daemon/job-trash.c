/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds that delete: prune, wipe-cache, delete-overlay, reset-instance, delete-instance, empty-trash.
 *
 * Root renames each tree into <root>/.trash/<job>/, which only root can enter, a unit in the sandbox empties
 * it through an idmapped mount, and root removes the empty tops. Every step can be done again, so a job that
 * was cut off simply starts over. What a job that failed leaves in the trash goes with an empty-trash job
 * once another job went well, or at the service's next start; so do generations that a prune was for which
 * failed or was cancelled, with another prune. */
#include "fault.h"
#include "instance.h"
#include "job-queue.h"
#include "job-thread.h"
#include "job-unit.h"
#include "overlay.h"
#include "paths.h"
#include "trash-work.h"

#define EMPTY_TIME_LIMIT (UINT64_C(3600) * G_USEC_PER_SEC)

/* The subject's row goes in the transaction that ends the job: a job that was done but for its end would be
 * taken up again, and find another subject with that name. */
static gboolean save_gone(Job *job, GError **error)
{
        Store *store = job->host->store;
        char *message = NULL;
        int r = store_begin(store, &message);

        if (r >= 0 && g_str_equal(job->row->kind, JOB_DELETE_OVERLAY))
                r = store_delete_overlay(store, job->row->overlay, &message);
        else if (r >= 0 && g_str_equal(job->row->kind, JOB_DELETE_INSTANCE))
                r = store_delete_instance(store, job->row->instance, &message);
        fault_point(FAULT_GONE_INSIDE);
        job_set_finished(job, "done", "success", 0, "");
        if (r >= 0)
                r = store_save_job(store, job->row, &message);
        if (r >= 0)
                r = store_commit(store, &message);
        else
                store_rollback(store);
        return r >= 0 || host_store_error(error, r, message);
}

static void trash_failed(Job *job, const char *result, int exit_status, const char *message)
{
        job->host->has_leftovers = true;
        job_finish(job, "failed", result, exit_status, message);
}

static void on_removed(Job *job, void *data)
{
        Trash *t = data;
        Host *host = job->host;
        g_autoptr(GError) error = NULL;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);
        Instance *instance = job->row->instance ? instance_find(host, job->row->instance, NULL) : NULL;

        if (t->failure) /* what the unit could not delete was no reason to keep what it could */
                trash_failed(job, t->failure, t->exit_status, t->failure_message);
        else if (t->result < 0)
                trash_failed(job, "delete", 0, t->message);
        else if (!save_gone(job, &error))
                trash_failed(job, "store", 0, error->message);
        else {
                fault_point(FAULT_GONE_SAVED);
                if (instance && g_str_equal(job->row->kind, JOB_DELETE_INSTANCE))
                        instance_forget(instance);
                if (overlay && g_str_equal(job->row->kind, JOB_DELETE_OVERLAY))
                        overlay_forget(overlay);
                fault_point(FAULT_GONE_FORGOTTEN);
                job_announce_finished(job);
                if (overlay && g_str_equal(job->row->kind, JOB_PRUNE))
                        overlay_prune(overlay); /* what became unneeded meanwhile */
        }
        trash_free(t);
}

static void on_empty_started(Job *job, void *userdata)
{
        job_unstage(job, "");
}

static void on_emptied(Job *job, const JobUnitResult *result, void *userdata)
{
        Trash *t = userdata;

        if (!result->is_success) {
                t->failure = g_strdup(result->result);
                t->failure_message = g_strdup(result->message);
                t->exit_status = result->exit_status;
        }
        job_run_in_thread(job, trash_remove, on_removed, t);
}

static void on_staged(Job *job, void *data)
{
        Trash *t = data;
        static const JobUnitHandlers handlers = {.started = on_empty_started,
                .gone = on_emptied,
                .time_limit_hint = "the service goes on with it when it is started next"};
        g_autofree SandboxBind *binds = g_new0(SandboxBind, t->n_staged);
        g_autoptr(GPtrArray) argv = g_ptr_array_new(), owned = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *description = g_strdup_printf("Deletion (%s) of %s by job %s", job->row->kind,
                *job->row->subject_name ? job->row->subject_name : "what is left", job->id);

        if (t->result < 0) {
                job_unstage(job, "");
                trash_failed(job, "delete", 0, t->message);
                trash_free(t);
                return;
        }
        if (t->n_staged == 0) {
                job_unstage(job, "");
                job_run_in_thread(job, trash_remove, on_removed, t);
                return;
        }
        g_ptr_array_add(argv, (void *)PATH_TREE_PROGRAM);
        g_ptr_array_add(argv, (void *)"empty");
        for (unsigned n = 0; n < t->n_staged; n++) {
                char *source = g_strdup_printf(PATH_STAGING "/%s/%u", job->id, n);
                char *target = g_strdup_printf("/trees/%u", n);

                g_ptr_array_add(owned, source);
                g_ptr_array_add(owned, target);
                binds[n] = (SandboxBind){source, target, false};
                g_ptr_array_add(argv, target);
        }
        g_ptr_array_add(argv, NULL);
        job_unit_run(job, "empty",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv->pdata,
                        .binds = binds,
                        .n_binds = t->n_staged,
                        .working_directory = "/",
                        .time_limit = EMPTY_TIME_LIMIT,
                        .stdout_fd = -1,
                },
                &handlers, t);
}

static bool is_to_go(const Job *job, const GenerationRow *generation)
{
        if (g_str_equal(job->row->kind, JOB_DELETE_OVERLAY))
                return true;
        for (guint n = 0; n < job->row->generations->len; n++)
                if (g_array_index(job->row->generations, uint64_t, n) == generation->number)
                        return true;
        return false;
}

/* Takes the generations off the overlay first: from then on nothing can mount them, and an overlay whose
 * deletion fails has none and can be built or deleted again. */
static gboolean forget_generations(Job *job, GError **error)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        g_autoptr(GPtrArray) gone = g_ptr_array_new(), kept = g_ptr_array_new();
        GPtrArray *all = overlay ? overlay->row->generations : NULL;
        uint64_t current = overlay ? overlay->row->generation : 0;
        char *message = NULL;
        int r;

        for (guint n = 0; all && n < all->len; n++)
                g_ptr_array_add(is_to_go(job, all->pdata[n]) ? gone : kept, all->pdata[n]);
        if (gone->len == 0)
                return TRUE;
        overlay->row->generations = kept;
        if (kept->len == 0)
                overlay->row->generation = 0;
        r = store_save_overlay(job->host->store, overlay->row, &message);
        overlay->row->generations = all;
        if (r < 0) {
                overlay->row->generation = current;
                return host_store_error(error, r, message);
        }
        fault_point(FAULT_TRASH_FORGOTTEN);
        for (guint n = 0; n < gone->len; n++)
                g_ptr_array_remove(all, gone->pdata[n]);
        if (overlay->row->generation != current)
                overlay_announce_current(overlay);
        else
                overlay_changed(overlay, "Generations");
        return TRUE;
}

static GArray *find_not_over(Host *host)
{
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));

        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (!jobs_is_over(host, job->row->id))
                        g_array_append_val(ids, job->row->id);
        }
        return ids;
}

static void add_job_trees(Job *job, Trash *t)
{
        const char *kind = job->row->kind;

        for (guint n = 0; n < job->row->generations->len; n++)
                trash_add_generation(t, job->row->overlay, g_array_index(job->row->generations, uint64_t, n));
        if (g_str_equal(kind, JOB_DELETE_OVERLAY))
                trash_add_overlay(t, job->row->overlay);
        else if (g_str_equal(kind, JOB_WIPE_CACHE))
                trash_add_cache(t, job->row->overlay);
        else if (g_str_equal(kind, JOB_EMPTY_TRASH)) {
                t->spared = find_not_over(job->host);
                t->newest = jobs_newest(job->host);
        } else if (job->row->instance)
                trash_add_instance(t, job->row->instance, g_str_equal(kind, JOB_DELETE_INSTANCE));
}

static void on_leftover_stopped(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        Trash *t = trash_new(job->host, job->row->id, (unsigned)job->row->slot);
        g_autoptr(GError) store_error = NULL;

        add_job_trees(job, t);
        if (!forget_generations(job, &store_error)) {
                trash_failed(job, "store", 0, store_error->message);
                trash_free(t);
                return;
        }
        if (job_enter_phase(job, "trash"))
                job_run_in_thread(job, trash_stage, on_staged, t);
        else
                trash_free(t);
}

static void on_leftover_unit(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        g_autofree char *unit = job_unit_make_name(job, "empty");

        systemd1_reset_failed(job->host->systemd, unit, on_leftover_stopped, job);
}

void job_trash_begin(Job *job)
{
        g_autofree char *unit = job_unit_make_name(job, "empty");

        /* One of an earlier turn may still be at work, and its name is taken until then. */
        systemd1_stop(job->host->systemd, unit, on_leftover_unit, job);
}

void job_queue_empty_trash(Host *host)
{
        g_autoptr(GError) error = NULL;
        JobRow *row = job_row_new();

        row->kind = g_strdup(JOB_EMPTY_TRASH);
        row->subject_name = g_strdup("");
        if (!job_queue(host, row, JOB_NOBODY, &error))
                g_warning("The trash stays: %s", error->message);
}
