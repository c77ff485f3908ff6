/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which generations an overlay has: a new one is published, a kept one made current again, the rest pruned.
 */
#include "fault.h"
#include "instance.h"
#include "job-queue.h"
#include "overlay.h"

#include "dbus/names.h"

static const GenerationRow *find_generation(Overlay *o, uint64_t number)
{
        for (guint n = 0; n < o->row->generations->len; n++) {
                const GenerationRow *g = o->row->generations->pdata[n];

                if (g->number == number)
                        return g;
        }
        return NULL;
}

const GenerationRow *overlay_current(Overlay *o)
{
        return find_generation(o, o->row->generation);
}

void overlay_announce_current(Overlay *o)
{
        GHashTableIter iter;
        gpointer value;

        overlay_changed(
                o, "State", "Generation", "Generations", "Size", "Files", "Digest", "BuiltAt", "LastJob");
        g_hash_table_iter_init(&iter, o->host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Instance *i = value;

                for (guint n = 0; n < i->row->mounted->len; n++)
                        if (g_array_index(i->row->mounted, LayerRef, n).overlay == o->row->id) {
                                instance_changed(i, "Outdated");
                                break;
                        }
        }
}

gboolean overlay_publish(Overlay *o, GenerationRow *generation, Job *job, GError **error)
{
        uint64_t before = o->row->generation;
        char *message = NULL;
        int r;

        g_ptr_array_add(o->row->generations, generation);
        o->row->generation = generation->number;
        if (job)
                job_set_finished(job, "done", "success", 0, "");
        fault_point(FAULT_PUBLISH_BEGIN);
        r = store_begin(o->host->store, &message);
        if (r >= 0)
                r = store_save_overlay(o->host->store, o->row, &message);
        fault_point(FAULT_PUBLISH_INSIDE);
        if (r >= 0 && job)
                r = store_save_job(o->host->store, job->row, &message);
        fault_point(FAULT_PUBLISH_SAVED);
        if (r >= 0)
                r = store_commit(o->host->store, &message);
        else
                store_rollback(o->host->store);
        if (r < 0) {
                o->row->generation = before;
                g_ptr_array_remove_index(o->row->generations, o->row->generations->len - 1);
                return host_store_error(error, r, message);
        }
        fault_point(FAULT_PUBLISH_COMMITTED);
        if (job)
                job_announce_finished(job);
        overlay_announce_current(o);
        fault_point(FAULT_PUBLISH_ANNOUNCED);
        overlay_prune(o);
        return TRUE;
}

static bool is_in_use(Overlay *o, uint64_t generation)
{
        return generation == o->row->generation || overlay_is_mounted(o, generation);
}

/* Kept are the current generation, those mounted, and the newest KeepGenerations - 1 of the others.
 * Returns: the numbers of the rest. */
static GArray *find_unneeded(Overlay *o)
{
        GArray *unneeded = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        unsigned kept = 1, keep = o->row->keep_generations;

        if (!keep) /* the game is large */
                keep = g_str_equal(o->row->name, HOST_GAME_OVERLAY) ? 1 : o->host->settings->keep_generations;
        for (guint n = o->row->generations->len; n > 0; n--) {
                const GenerationRow *g = o->row->generations->pdata[n - 1];

                if (!is_in_use(o, g->number) && kept++ >= keep)
                        g_array_append_val(unneeded, g->number);
        }
        return unneeded;
}

static bool is_being_pruned(Overlay *o)
{
        return job_of_overlay(o->host, o->row->id, JOB_PRUNE, true) ||
               job_of_overlay(o->host, o->row->id, JOB_PRUNE, false);
}

static void queue_prune(Overlay *o, const GArray *numbers)
{
        g_autoptr(GError) error = NULL;
        JobRow *row;

        if (numbers->len == 0)
                return;
        row = overlay_job_row(o, JOB_PRUNE);
        g_array_append_vals(row->generations, numbers->data, numbers->len);
        if (!job_queue(o->host, row, JOB_NOBODY, &error))
                g_warning(
                        "What overlay \"%s\" does not need any more stays: %s", o->row->name, error->message);
}

void overlay_drop_generation(Overlay *o, uint64_t number)
{
        g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));

        g_array_append_val(numbers, number);
        queue_prune(o, numbers);
}

void overlay_prune(Overlay *o)
{
        g_autoptr(GArray) unneeded = NULL;

        if (o->deletion || is_being_pruned(o))
                return; /* the job that is there looks again when it ends */
        unneeded = find_unneeded(o);
        queue_prune(o, unneeded);
}

/* The job that has not ended and makes or deletes this generation, or NULL. */
static const Job *find_worker(Overlay *o, uint64_t generation)
{
        for (GTreeNode *n = g_tree_node_first(o->host->jobs); n; n = g_tree_node_next(n)) {
                const Job *job = g_tree_node_value(n);

                if (job->row->overlay != o->row->id || job_is_finished(job))
                        continue;
                if (job->row->generation == generation)
                        return job;
                for (guint k = 0; k < job->row->generations->len; k++)
                        if (g_array_index(job->row->generations, uint64_t, k) == generation)
                                return job;
        }
        return NULL;
}

void overlay_prune_unfinished(Overlay *o, const GArray *on_disk)
{
        g_autoptr(GArray) unfinished = g_array_new(FALSE, FALSE, sizeof(uint64_t));

        for (guint n = 0; n < on_disk->len && !o->deletion && !o->is_being_wiped; n++) {
                uint64_t number = g_array_index(on_disk, uint64_t, n);

                if (!find_worker(o, number) && !find_generation(o, number))
                        g_array_append_val(unfinished, number);
        }
        queue_prune(o, unfinished);
}

void overlay_prune_all(Host *host)
{
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, host->overlays);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                overlay_prune(value);
}

Job *overlay_maker(Overlay *o)
{
        for (GTreeNode *n = g_tree_node_first(o->host->jobs); n; n = g_tree_node_next(n)) {
                Job *job = g_tree_node_value(n);

                if (job->row->overlay == o->row->id && job->rule->makes_generation && !job_is_finished(job))
                        return job;
        }
        return NULL;
}

gboolean overlay_check_idle(Overlay *o, GError **error)
{
        const Job *holder = overlay_maker(o) ?: o->deletion;

        if (holder) {
                job_set_busy(holder, error);
                return FALSE;
        }
        if (o->is_being_wiped)
                g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY, "Overlay \"%s\" is being wiped; ask again",
                        o->row->name);
        return !o->is_being_wiped;
}

gboolean overlay_revert(Overlay *o, uint64_t number, GError **error)
{
        uint64_t before = o->row->generation;
        const Job *worker;
        char *message = NULL;
        int r;

        if (!overlay_check_idle(o, error))
                return FALSE;
        if (!find_generation(o, number)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SUCH_GENERATION,
                        "Overlay \"%s\" has no generation %" G_GUINT64_FORMAT
                        "; its Generations are those that are kept",
                        o->row->name, number);
                return FALSE;
        }
        worker = find_worker(o, number); /* that deletes it */
        if (worker) {
                job_set_busy(worker, error);
                return FALSE;
        }
        o->row->generation = number;
        r = store_save_overlay(o->host->store, o->row, &message);
        if (r < 0) {
                o->row->generation = before;
                return host_store_error(error, r, message);
        }
        overlay_announce_current(o);
        overlay_prune(o);
        return TRUE;
}
