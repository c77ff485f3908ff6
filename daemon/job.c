/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"
#include "disk-limit.h"
#include "fault.h"
#include "instance.h"
#include "job-keep.h"
#include "job-log.h"
#include "job-progress.h"
#include "job-queue.h"
#include "job-seal.h"
#include "job-unit.h"
#include "overlay.h"
#include "reconcile.h"
#include "unknown.h"
#include "util.h"

#include "dbus/names.h"

#include <stdlib.h>
#include <string.h>

#define SAVE_AGAIN_AFTER 2 /* seconds */

typedef struct JobSteps {
        void (*begin)(Job *job);
        void (*resume)(Job *job);
} JobSteps;

static const JobSteps job_steps[JOB_KINDS] = {
        [JOB_KIND_BUILD] = {job_build_begin, job_build_resume},
        [JOB_KIND_IMPORT] = {job_import_begin, job_import_resume},
        [JOB_KIND_PRUNE] = {job_trash_begin, job_trash_begin},
        [JOB_KIND_WIPE_CACHE] = {job_trash_begin, job_trash_begin},
        [JOB_KIND_DELETE_OVERLAY] = {job_trash_begin, job_trash_begin},
        [JOB_KIND_RESET_INSTANCE] = {job_trash_begin, job_trash_begin},
        [JOB_KIND_DELETE_INSTANCE] = {job_trash_begin, job_trash_begin},
        [JOB_KIND_EMPTY_TRASH] = {job_trash_begin, job_trash_begin},
};

static const JobSteps *steps_of(const Job *job)
{
        return &job_steps[job->rule - job_rules];
}

bool job_is_queued(const Job *job)
{
        return g_str_equal(job->row->state, "queued");
}

bool job_is_running(const Job *job)
{
        return g_str_equal(job->row->state, "running");
}

/* The row has no place of its own for that: no other result is known while a job runs. */
bool job_is_cancelled(const Job *job)
{
        return job_is_running(job) && g_str_equal(job->row->result, "cancelled");
}

bool job_is_finished(const Job *job)
{
        return !job_is_queued(job) && !job_is_running(job);
}

bool job_has_begun(const Job *job)
{
        return job->row->started_at != 0;
}

/* The subject points at the job that has it, so that nothing else begins on it. */
static void job_hold_subject(Job *job, bool holds)
{
        Job *holder = holds ? job : NULL;

        if (job->row->instance) {
                Instance *i = instance_find(job->host, job->row->instance, NULL);

                if (i && (holds || i->job == job))
                        i->job = holder;
        } else if (g_str_equal(job->row->kind, JOB_DELETE_OVERLAY)) {
                Overlay *o = overlay_by_id(job->host, job->row->overlay);

                if (o && (holds || o->deletion == job))
                        o->deletion = holder;
        }
}

Job *job_new(Host *host, JobRow *row)
{
        Job *job = g_new0(Job, 1);
        int kind = job_kind_from_string(row->kind);

        if (kind < 0)
                g_error("The store has a job of the unknown kind \"%s\"", row->kind);
        job->host = host;
        job->row = row;
        job->rule = &job_rules[kind];
        job->id = g_strdup_printf("%" G_GUINT64_FORMAT, row->id);
        g_tree_insert(host->jobs, &row->id, job);
        if (!job_is_finished(job))
                job_hold_subject(job, true);
        return job;
}

void job_free(Job *job)
{
        if (!job)
                return;
        g_tree_remove(job->host->jobs, &job->row->id);
        job_unit_free(job->unit);
        job_progress_free(job->progress);
        job_unit_free(job->watch);
        job_row_free(job->row);
        g_free(job->id);
        g_free(job);
}

Job *job_find(Host *host, uint64_t id, GError **error)
{
        Job *job = g_tree_lookup(host->jobs, &id);

        if (!job)
                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SUCH_JOB,
                        "There is no job %" G_GUINT64_FORMAT "; it never was, or it ended long ago", id);
        return job;
}

uint64_t jobs_newest(Host *host)
{
        GTreeNode *last = g_tree_node_last(host->jobs);

        return last ? ((Job *)g_tree_node_value(last))->row->id : 0;
}

bool jobs_is_over(Host *host, uint64_t id)
{
        const Job *job = g_tree_lookup(host->jobs, &id);

        return job ? job_is_finished(job) && job_has_begun(job) : id < jobs_newest(host);
}

gboolean job_save(Job *job, GError **error)
{
        char *message = NULL;
        int r = store_save_job(job->host->store, job->row, &message);

        return r >= 0 || host_store_error(error, r, message);
}

void job_set_busy(const Job *holder, GError **error)
{
        g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY, "Job %s (%s) has %s \"%s\"; wait for it or cancel it",
                holder->id, holder->row->kind, holder->row->instance ? "instance" : "overlay",
                holder->row->subject_name);
}

/* Cancelling */

/* Written down before the unit is stopped: a program that is killed in between must not take the build for
 * one that failed, or do it again. */
static gboolean cancel_running(Job *job, GError **error)
{
        g_autofree char *before = g_steal_pointer(&job->row->result);

        job->row->result = g_strdup("cancelled");
        if (!job_save(job, error)) {
                g_free(job->row->result);
                job->row->result = g_steal_pointer(&before);
                return FALSE;
        }
        fault_point(FAULT_JOB_CANCEL_SAVED);
        if (job->unit)
                job_unit_stop(job->unit);
        return TRUE;
}

gboolean job_cancel(Job *job, uid_t uid, bool as_manager, GError **error)
{
        if (job_is_finished(job)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY, "Job %s has ended already (%s)", job->id,
                        job->row->state);
                return FALSE;
        }
        /* He was a requester when the gate looked; an earlier Cancel of his has taken him off meanwhile. */
        if (!as_manager && !job_has_requester(job, uid))
                return TRUE;
        if (!as_manager && job->row->requesters->len > 1)
                return job_remove_requester(job, uid, error);
        if (job_is_queued(job)) {
                if (g_str_equal(job->row->kind, JOB_PRUNE))
                        job->host->has_leftovers = true;
                job_finish(job, "cancelled", "cancelled", 0, "It was cancelled before it began");
                return TRUE;
        }
        if (!job->rule->makes_generation) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY,
                        "Job %s is deleting already and cannot be undone; wait for it", job->id);
                return FALSE;
        }
        return cancel_running(job, error);
}

/* Phases and the end */

gboolean job_enter_phase(Job *job, const char *phase)
{
        g_autoptr(GError) error = NULL;

        g_free(job->row->phase);
        job->row->phase = g_strdup(phase);
        if (job_save(job, &error)) {
                fault_point(FAULT_JOB_PHASE_SAVED);
                return TRUE;
        }
        job_finish(job, "failed", "store", 0, error->message);
        return FALSE;
}

void job_set_finished(Job *job, const char *state, const char *result, int exit_status, const char *message)
{
        JobRow *row = job->row;

        g_free(row->state);
        row->state = g_strdup(state);
        g_free(row->result);
        row->result = g_strdup(result);
        g_autofree char *before = g_steal_pointer(&row->message); /* `message` may be it */
        row->message = g_strdup(message);
        row->exit_status = exit_status;
        row->finished_at = host_now();
        row->slot = -1;
        g_free(row->phase);
        row->phase = g_strdup("");
}

void job_announce_finished(Job *job)
{
        Host *host = job->host;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);

        job_hold_subject(job, false);
        job_changed(job, "State", "Result", "Message", "ExitStatus", "FinishedAt", "Unit");
        host_changed(host, OBJECT_MANAGER, "", "RunningJobs");
        if (overlay)
                overlay_changed(overlay, "State");
        jobs_drop_old(host);
        if (!job->row->started_at)
                job_log_end(job);
        jobs_keep_logs(host);
        jobs_schedule(host);
        if (!job->is_unsaved)
                store_make_reserve(host->store);
        if (host->has_leftovers && g_str_equal(job->row->state, "done")) {
                host->has_leftovers = false;
                job_queue_empty_trash(host);
                reconcile_generations(host);
        }
        fault_point(FAULT_JOB_ANNOUNCED);
}

/* What could not be saved is tried again: a start of the program would take the job for one that is not over.
 */
static gboolean on_save_again(gpointer userdata)
{
        Host *host = userdata;
        bool is_left = false;

        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                job->is_unsaved = job->is_unsaved && !job_save(job, NULL);
                is_left |= job->is_unsaved;
        }
        if (is_left) {
                /* Maybe it is what a job left that fills the disk: there must be room to note its deletion.
                 */
                store_free_reserve(host->store);
                return G_SOURCE_CONTINUE;
        }
        host->save_again = 0;
        reconcile_generations(host); /* deletions could not be queued either */
        return G_SOURCE_REMOVE;
}

void job_finish(Job *job, const char *state, const char *result, int exit_status, const char *message)
{
        g_autoptr(GError) error = NULL;

        fault_point(FAULT_JOB_END);
        job_set_finished(job, state, result, exit_status, message);
        job->is_unsaved = !job_save(job, &error);
        if (job->is_unsaved) {
                g_warning(
                        "The end of job %s (%s) is not in the store yet: %s", job->id, state, error->message);
                if (!job->host->save_again)
                        job->host->save_again =
                                g_timeout_add_seconds(SAVE_AGAIN_AFTER, on_save_again, job->host);
        }
        fault_point(FAULT_JOB_END_SAVED);
        job_announce_finished(job);
}

/* The beginning */

/* Written down first, with the generation a build makes: a number is used once, whatever becomes of it. */
static gboolean save_begun(Job *job, GError **error)
{
        Overlay *overlay = job->rule->makes_generation ? overlay_by_id(job->host, job->row->overlay) : NULL;
        uint64_t next = overlay ? overlay->row->next_generation : 0,
                 last_job = overlay ? overlay->row->last_job : 0;
        uint64_t generation = job->row->generation;
        char *message = NULL;
        int r = store_begin(job->host->store, &message);

        if (r >= 0 && overlay) {
                job->row->generation = overlay->row->next_generation++;
                overlay->row->last_job = job->row->id;
                r = store_save_overlay(job->host->store, overlay->row, &message);
        }
        fault_point(FAULT_JOB_BEGIN_INSIDE);
        if (r >= 0)
                r = store_save_job(job->host->store, job->row, &message);
        if (r >= 0)
                r = store_commit(job->host->store, &message);
        else
                store_rollback(job->host->store);
        if (r < 0 && overlay) {
                overlay->row->next_generation = next;
                overlay->row->last_job = last_job;
                job->row->generation = generation;
        }
        if (r < 0)
                return host_store_error(error, r, message);
        if (overlay)
                overlay_changed(overlay, "State", "LastJob");
        return TRUE;
}

/* Ends a job that cannot begin. Returns: whether it is over. */
static bool end_hindered(Job *job)
{
        g_autofree char *in_way = unknown_in_way(job);
        g_autoptr(GError) error = NULL;

        if (job->rule->needs_filter && job->host->filter == FILTER_INERT)
                job_finish(job, "failed", "sandbox-unavailable", 0,
                        "systemd's address filter does nothing on this host, so a script could reach it");
        else if (job->rule->makes_generation &&
                 !disk_limit_check_free(job->host, job->row->subject_name, &error))
                job_finish(job, "failed", "disk-limit", 0, error->message);
        else if (in_way) {
                job_finish(job, "failed", "unknown-directory", 0, in_way);
                unknown_refresh(job->host);
        }
        return job_is_finished(job);
}

void job_begin(Job *job, int slot)
{
        JobRow *row = job->row;
        g_autoptr(GError) error = NULL;

        if (end_hindered(job))
                return;
        g_free(row->state);
        row->state = g_strdup("running");
        g_free(row->phase);
        row->phase = g_strdup("begun");
        g_free(row->boot_id);
        row->boot_id = g_strdup(job->host->boot_id);
        row->slot = slot;
        row->started_at = host_now();
        if (!save_begun(job, &error)) {
                job_finish(job, "failed", "store", 0, error->message);
                return;
        }
        fault_point(FAULT_JOB_BEGUN);
        job_changed(job, "State", "StartedAt", "Unit");
        host_changed(job->host, OBJECT_MANAGER, "", "RunningJobs");
        steps_of(job)->begin(job);
}

/* After the program's own restart */

void job_requeue(Job *job)
{
        g_free(job->row->state);
        job->row->state = g_strdup("queued");
        job->row->slot = -1;
        job_enter_phase(job, "");
        fault_point(FAULT_JOB_REQUEUED);
}

void jobs_resume(Host *host)
{
        g_autoptr(GPtrArray) running = g_ptr_array_new();

        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n))
                if (job_is_running(g_tree_node_value(n)))
                        g_ptr_array_add(running, g_tree_node_value(n));
        for (guint n = 0; n < running->len; n++) {
                Job *job = running->pdata[n];

                g_message("Job %s (%s) goes on where it was: %s", job->id, job->row->kind, job->row->phase);
                fault_point(FAULT_JOB_RESUMED);
                if (job->rule->makes_generation && !g_str_equal(job->row->boot_id, host->boot_id))
                        job_seal_discard(job, "interrupted", "host-crash", 0,
                                "The host went down while it ran; ask for it again");
                else if (g_str_equal(job->row->phase, "begun") && !job->rule->makes_generation)
                        job_requeue(job);
                else
                        steps_of(job)->resume(job);
        }
        jobs_load_logs(host);
        jobs_drop_old(host);
        jobs_schedule(host);
}

void job_unit_changed(Host *host, const char *unit)
{
        uint64_t id = strtoull(unit + strlen(HOST_JOB_UNIT_PREFIX), NULL, 10);
        Job *job = g_tree_lookup(host->jobs, &id);

        if (job && job->watch)
                job_unit_notice(job->watch, unit);
        if (job && job->unit)
                job_unit_notice(job->unit, unit);
}
