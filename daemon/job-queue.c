/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-queue.h"
#include "fault.h"
#include "overlay.h"

/* Requesters */

bool job_has_requester(const Job *job, uid_t uid)
{
        for (guint n = 0; n < job->row->requesters->len; n++)
                if (g_array_index(job->row->requesters, uint32_t, n) == uid)
                        return true;
        return false;
}

static gboolean check_limit(Host *host, uid_t uid, GError **error)
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

static gboolean add_requester(Job *job, uid_t uid, GError **error)
{
        uint32_t requester = uid;

        if (uid == JOB_NOBODY || job_has_requester(job, uid))
                return TRUE;
        if (!check_limit(job->host, uid, error))
                return FALSE;
        g_array_append_val(job->row->requesters, requester);
        if (!job_save(job, error)) {
                g_array_set_size(job->row->requesters, job->row->requesters->len - 1);
                return FALSE;
        }
        job_changed(job, "Requesters");
        return TRUE;
}

gboolean job_remove_requester(Job *job, uid_t uid, GError **error)
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

/* Asking */

/* The first job that `row` meets so, or NULL. */
static Job *find_met(Host *host, const JobRow *row, JobMeeting meeting)
{
        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (job_rules_meet(row, job->row) == meeting)
                        return job;
        }
        return NULL;
}

static Job *queue_new(Host *host, JobRow *taken, uid_t uid, GError **error)
{
        g_autoptr(JobRow) row = taken;
        uint32_t requester = uid;
        char *message = NULL;
        Overlay *overlay;
        Job *job;
        int r;

        fault_point(FAULT_JOB_ASKED);
        if (!check_limit(host, uid, error))
                return NULL;
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
        fault_point(FAULT_JOB_QUEUED);
        job = job_new(host, g_steal_pointer(&row));
        host_object_added(host, OBJECT_JOB, job->id);
        overlay = overlay_by_id(host, job->row->overlay);
        if (overlay && job->rule->makes_generation)
                overlay_changed(overlay, "State");
        jobs_schedule(host);
        return job;
}

Job *job_queue(Host *host, JobRow *taken, uid_t uid, GError **error)
{
        g_autoptr(JobRow) row = taken;
        Job *other = find_met(host, row, JOB_REFUSED);

        if (other) {
                job_set_busy(other, error);
                return NULL;
        }
        other = find_met(host, row, JOB_JOIN);
        if (other)
                return add_requester(other, uid, error) ? other : NULL;
        return queue_new(host, g_steal_pointer(&row), uid, error);
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

static bool may_run(Job *job)
{
        Host *host = job->host;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);

        if (job->rule->needs_filter && host->filter == FILTER_UNKNOWN)
                return false;
        if (overlay && job->rule->waits_for_mounts && overlay_is_mounted(overlay, 0))
                return false;
        if (overlay && overlay->is_being_wiped)
                return false;
        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *other = g_tree_node_value(n);
                bool is_before = job_is_running(other) || other->row->id < job->row->id;

                if (is_before && job_rules_meet(job->row, other->row) != JOB_BESIDE)
                        return false;
        }
        return true;
}

static int free_slot(Host *host)
{
        /* Of a time when there were more slots, some may still run in those that are gone. */
        if (jobs_running(host) >= host->settings->job_slots)
                return -1;
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

int job_find_slot(Host *host, GError **error)
{
        int slot = free_slot(host);

        if (slot < 0)
                g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY,
                        "All %u job slots are taken; wait until a job ends, or raise JobSlots in host.conf",
                        jobs_running(host));
        return slot;
}

/* Users take turns: whose job began last waits longest, and who had none yet comes first. What the service
 * asks for itself has its turn like a user. */

static uint32_t nth_requester(const Job *job, guint n)
{
        return job->row->requesters->len ? g_array_index(job->row->requesters, uint32_t, n) : JOB_NOBODY;
}

static guint user_rank(Host *host, uint32_t uid)
{
        for (guint n = 0; n < host->served->len; n++)
                if (g_array_index(host->served, uint32_t, n) == uid)
                        return n + 1;
        return 0;
}

/* That of the requester whose turn comes first. */
static guint job_rank(const Job *job)
{
        guint rank = G_MAXUINT;

        for (guint n = 0; n < MAX(job->row->requesters->len, 1); n++)
                rank = MIN(rank, user_rank(job->host, nth_requester(job, n)));
        return rank;
}

static void note_served(const Job *job)
{
        GArray *served = job->host->served;

        for (guint n = 0; n < MAX(job->row->requesters->len, 1); n++) {
                uint32_t uid = nth_requester(job, n);
                guint rank = user_rank(job->host, uid);

                if (rank)
                        g_array_remove_index(served, rank - 1);
                g_array_append_val(served, uid);
        }
}

static Job *next_job(Host *host)
{
        Job *next = NULL;

        for (GTreeNode *n = g_tree_node_first(host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (job_is_queued(job) && (!next || job_rank(job) < job_rank(next)) && may_run(job))
                        next = job;
        }
        return next;
}

void job_take_turn(Job *job, int slot)
{
        note_served(job);
        job_begin(job, slot);
}

static gboolean on_schedule(gpointer userdata)
{
        Host *host = userdata;
        Job *job;
        int slot;

        host->schedule = 0;
        while ((slot = free_slot(host)) >= 0 && (job = next_job(host)))
                job_take_turn(job, slot);
        return G_SOURCE_REMOVE;
}

void jobs_schedule(Host *host)
{
        /* In a turn of its own: callers walk tables that a job's begin or end changes. */
        if (!host->schedule && host->systemd && systemd1_version(host->systemd))
                host->schedule = g_idle_add(on_schedule, host);
}
