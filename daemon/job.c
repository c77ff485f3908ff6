/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"
#include "instance.h"
#include "job-unit.h"
#include "overlay.h"
#include "util.h"

#include "dbus/names.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_FINISHED 100 /* jobs that have ended and are still shown */

/* What the rules need to know of each kind, and how it begins and goes on. */
typedef struct JobKind {
        const char *name;
        bool is_build;         /* needs the sandbox's address filter, and can be cancelled while it runs */
        bool waits_for_mounts; /* its overlay must not be mounted anywhere */
        void (*begin)(Job *job);
        void (*resume)(Job *job);
} JobKind;

static const JobKind job_kinds[] = {
        {JOB_BUILD, true, false, job_build_begin, job_build_resume},
        {JOB_PRUNE, false, false, job_trash_begin, job_trash_begin},
        {JOB_DELETE_OVERLAY, false, true, job_trash_begin, job_trash_begin},
        {JOB_RESET_INSTANCE, false, false, job_trash_begin, job_trash_begin},
        {JOB_DELETE_INSTANCE, false, false, job_trash_begin, job_trash_begin},
        {JOB_EMPTY_TRASH, false, false, job_trash_begin, job_trash_begin},
};

static const JobKind *job_kind(const Job *job)
{
        for (size_t n = 0; n < G_N_ELEMENTS(job_kinds); n++)
                if (g_str_equal(job_kinds[n].name, job->row->kind))
                        return &job_kinds[n];
        g_error("The store has a job of the unknown kind \"%s\"", job->row->kind);
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

        job->host = host;
        job->row = row;
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

/* Queue */

bool job_has_requester(const Job *job, uid_t uid)
{
        for (guint n = 0; n < job->row->requesters->len; n++)
                if (g_array_index(job->row->requesters, uint32_t, n) == uid)
                        return true;
        return false;
}

static gboolean check_queue_limit(Host *host, uid_t uid, GError **error)
{
        unsigned queued = 0;

        if (uid == 0 || uid == JOB_NOBODY)
                return TRUE;
        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                queued += job_is_queued(job) && job_has_requester(job, uid);
        }
        if (queued < host->settings->max_queued_jobs)
                return TRUE;
        g_set_error(error, HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                "User %u has %u jobs in the queue, as many as MaxQueuedJobsPerUser of host.conf allows; wait "
                "for them",
                uid, queued);
        return FALSE;
}

Job *job_queue(Host *host, JobRow *taken, uid_t uid, GError **error)
{
        g_autoptr(JobRow) row = taken;
        uint32_t requester = uid;
        char *message = NULL;
        Job *job;
        int r;

        if (!check_queue_limit(host, uid, error))
                return NULL;
        g_free(row->state);
        row->state = g_strdup("queued");
        row->queued_at = host_now();
        row->slot = -1;
        if (uid != JOB_NOBODY)
                g_array_append_val(row->requesters, requester);
        r = store_save_job(host->store, row, &message);
        if (r < 0) {
                host_store_error(error, r, message);
                return NULL;
        }
        job = job_new(host, g_steal_pointer(&row));
        host_object_added(host, OBJECT_JOB, job->id);
        jobs_schedule(host);
        return job;
}

static gboolean job_save(Job *job, GError **error)
{
        char *message = NULL;
        int r = store_save_job(job->host->store, job->row, &message);

        return r >= 0 || host_store_error(error, r, message);
}

gboolean job_add_requester(Job *job, uid_t uid, GError **error)
{
        uint32_t requester = uid;

        if (job_has_requester(job, uid))
                return TRUE;
        if (!check_queue_limit(job->host, uid, error))
                return FALSE;
        g_array_append_val(job->row->requesters, requester);
        if (!job_save(job, error)) {
                g_array_set_size(job->row->requesters, job->row->requesters->len - 1);
                return FALSE;
        }
        job_changed(job, "Requesters");
        return TRUE;
}

/* Takes one requester off. Returns: whether that was all there was to do. */
static gboolean remove_requester(Job *job, uid_t uid, GError **error)
{
        GArray *before = g_array_copy(job->row->requesters);

        for (guint n = 0; n < job->row->requesters->len; n++)
                if (g_array_index(job->row->requesters, uint32_t, n) == uid)
                        g_array_remove_index(job->row->requesters, n--);
        if (!job_save(job, error)) {
                g_array_unref(job->row->requesters);
                job->row->requesters = before;
                return FALSE;
        }
        g_array_unref(before);
        job_changed(job, "Requesters");
        return TRUE;
}

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
                return remove_requester(job, uid, error);
        if (job_is_queued(job)) {
                job_finish(job, "cancelled", "cancelled", 0, "It was cancelled before it began");
                return TRUE;
        }
        if (!job_kind(job)->is_build) {
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
        if (job_save(job, &error))
                return TRUE;
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

/* An overlay's state comes from its last build. */
static bool job_is_last_build(Job *job)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);

        return overlay && overlay->row->last_job == job->row->id;
}

static void drop_old(Host *host)
{
        unsigned finished = 0;
        g_autoptr(GPtrArray) old = g_ptr_array_new();

        for (GTreeNode *n = g_tree_node_last(host->jobs); n; n = g_tree_node_previous(n))
                if (job_is_finished(g_tree_node_value(n)) && !job_is_last_build(g_tree_node_value(n)) &&
                        ++finished > KEEP_FINISHED)
                        g_ptr_array_add(old, g_tree_node_value(n));
        for (guint n = 0; n < old->len; n++) {
                Job *job = old->pdata[n];
                g_autofree char *message = NULL;

                if (store_delete_job(host->store, job->row->id, &message) < 0) {
                        g_warning("Job %s stays: %s", job->id, message);
                        continue;
                }
                host_object_removed(host, OBJECT_JOB, job->id);
                job_free(job);
        }
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
        drop_old(host);
        jobs_schedule(host);
}

void job_finish(Job *job, const char *state, const char *result, int exit_status, const char *message)
{
        g_autoptr(GError) error = NULL;

        job_set_finished(job, state, result, exit_status, message);
        /* Not saved means: the next start of the program finds it running, and ends it again. */
        if (!job_save(job, &error))
                g_warning("The end of job %s (%s) is not in the store: %s", job->id, state, error->message);
        job_announce_finished(job);
}

/* Scheduling */

unsigned jobs_running(Host *host)
{
        unsigned running = 0;

        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n))
                running += job_is_running(g_tree_node_value(n));
        return running;
}

Job *job_of_overlay(Host *host, uint64_t overlay, const char *kind, bool is_queued)
{
        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (job->row->overlay == overlay && g_str_equal(job->row->kind, kind) &&
                        (is_queued ? job_is_queued(job) : job_is_running(job)))
                        return job;
        }
        return NULL;
}

/* Jobs on one overlay run one after another, in the order asked for. Jobs on one instance exclude each other
 * already when they are queued. */
static bool job_may_run(Job *job)
{
        Host *host = job->host;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);

        if (job_kind(job)->is_build && host->filter == FILTER_UNKNOWN)
                return false;
        if (overlay && job_kind(job)->waits_for_mounts && overlay_is_mounted(overlay, 0))
                return false;
        if (job->row->overlay)
                for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                        Job *other = g_tree_node_value(n);

                        if (other->row->overlay == job->row->overlay &&
                                (job_is_running(other) ||
                                        (job_is_queued(other) && other->row->id < job->row->id)))
                                return false;
                }
        return true;
}

static int free_slot(Host *host)
{
        for (unsigned slot = 0; slot < host->settings->job_slots; slot++) {
                bool is_free = true;

                for (GTreeNode *n = g_tree_node_first(host->jobs); n && is_free; n = g_tree_node_next(n)) {
                        Job *job = g_tree_node_value(n);

                        is_free = !job_is_running(job) || job->row->slot != (int)slot;
                }
                if (is_free)
                        return (int)slot;
        }
        return -1;
}

/* Written down first, with the generation a build makes: a number is used once, whatever becomes of it. */
static gboolean save_begun(Job *job, GError **error)
{
        Overlay *overlay = job_kind(job)->is_build ? overlay_by_id(job->host, job->row->overlay) : NULL;
        char *message = NULL;
        int r = store_begin(job->host->store, &message);

        if (r >= 0 && overlay) {
                job->row->generation = overlay->row->next_generation++;
                overlay->row->last_job = job->row->id;
                r = store_save_overlay(job->host->store, overlay->row, &message);
        }
        if (r >= 0)
                r = store_save_job(job->host->store, job->row, &message);
        if (r >= 0)
                r = store_commit(job->host->store, &message);
        else
                store_rollback(job->host->store);
        if (r < 0)
                return host_store_error(error, r, message);
        if (overlay)
                overlay_changed(overlay, "State", "LastJob");
        return TRUE;
}

static void job_begin(Job *job, int slot)
{
        JobRow *row = job->row;
        g_autoptr(GError) error = NULL;

        if (job_kind(job)->is_build && job->host->filter == FILTER_INERT) {
                job_finish(job, "failed", "sandbox-unavailable", 0,
                        "systemd's address filter does nothing on this host, so a script could reach it");
                return;
        }
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
        job_changed(job, "State", "StartedAt", "Unit");
        host_changed(job->host, OBJECT_MANAGER, "", "RunningJobs");
        job_kind(job)->begin(job);
}

static Job *next_job(Host *host)
{
        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (job_is_queued(job) && job_may_run(job))
                        return job;
        }
        return NULL;
}

static gboolean on_schedule(gpointer userdata)
{
        Host *host = userdata;
        Job *job;
        int slot;

        host->schedule = 0;
        while ((slot = free_slot(host)) >= 0 && (job = next_job(host)))
                job_begin(job, slot);
        return G_SOURCE_REMOVE;
}

void jobs_schedule(Host *host)
{
        /* In a turn of its own: callers walk tables that a job's begin or end changes. */
        if (!host->schedule && host->systemd && systemd1_version(host->systemd))
                host->schedule = g_idle_add(on_schedule, host);
}

/* After the program's own restart */

void job_requeue(Job *job)
{
        g_free(job->row->state);
        job->row->state = g_strdup("queued");
        job->row->slot = -1;
        job_enter_phase(job, "");
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
                if (job_kind(job)->is_build && !g_str_equal(job->row->boot_id, host->boot_id))
                        job_build_discard(job, "interrupted", "host-crash", 0,
                                "The host went down while it ran; build again");
                else if (g_str_equal(job->row->phase, "begun") && !job_kind(job)->is_build)
                        job_requeue(job);
                else
                        job_kind(job)->resume(job);
        }
        jobs_schedule(host);
}

void job_unit_changed(Host *host, const char *unit, const UnitState *state)
{
        uint64_t id = strtoull(unit + strlen(HOST_JOB_UNIT_PREFIX), NULL, 10);
        Job *job = g_tree_lookup(host->jobs, &id);

        if (job && job->unit)
                job_unit_notice(job->unit, unit, state);
}
