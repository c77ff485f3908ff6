/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "instance.h"
#include "job-queue.h"
#include "log-stream.h"
#include "overlay.h"
#include "paths.h"
#include "util.h"
#include "validate.h"

#include "dbus/names.h"
#include <string.h>

#define EXIT_EXEC 203 /* systemd's word for an execve(2) that failed, see systemd.exec(5) */

Instance *instance_new(Host *host, InstanceRow *row)
{
        Instance *i = g_new0(Instance, 1);

        i->host = host;
        i->row = row;
        i->server_unit = g_strconcat(HOST_SERVER_UNIT_PREFIX, row->name, ".service", NULL);
        i->mount_unit = g_strconcat(HOST_MOUNT_UNIT_PREFIX, row->name, ".service", NULL);
        i->state = unit_state_new();
        g_queue_init(&i->mount_calls);
        g_hash_table_insert(host->instances, row->name, i);
        return i;
}

void instance_free(Instance *i)
{
        if (!i)
                return;
        g_hash_table_remove(i->host->instances, i->row->name);
        g_clear_error(&i->mount_error);
        unit_state_free(i->state);
        g_free(i->server_unit);
        g_free(i->mount_unit);
        instance_row_free(i->row);
        g_free(i);
}

Instance *instance_find(Host *host, const char *name, GError **error)
{
        Instance *i = g_hash_table_lookup(host->instances, name);

        if (!i) {
                g_autofree char *shown = name_show(name);

                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SUCH_INSTANCE,
                        "There is no instance \"%s\"; create it first", shown);
        }
        return i;
}

/* Between two attempts systemd shows the server's unit as failed for a moment: its mount stays active then.
 */
bool instance_is_stopped(Instance *i)
{
        const UnitState *mount = systemd1_unit(i->host->systemd, i->mount_unit);

        return unit_state_is_stopped(systemd1_unit(i->host->systemd, i->server_unit)) &&
               !g_str_equal(mount->active_state, "active");
}

static gboolean check_no_operation(Instance *i, GError **error)
{
        if (!i->op)
                return TRUE;
        g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY,
                "Instance \"%s\" is being started or stopped; wait until that has ended", i->row->name);
        return FALSE;
}

gboolean instance_check_free(Instance *i, GError **error)
{
        if (!i->job)
                return check_no_operation(i, error);
        job_set_busy(i->job, error);
        return FALSE;
}

/* Deletion and reset */

static Job *queue_job(Instance *i, const char *kind, uid_t uid, GError **error)
{
        JobRow *row;

        if (!check_no_operation(i, error))
                return NULL;
        if (!instance_is_stopped(i) || i->is_mounted || i->mount_calls.length > 0) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY, "Instance \"%s\" is %s; stop it first",
                        i->row->name, instance_is_stopped(i) ? "mounted" : "running");
                return NULL;
        }
        row = job_row_new();
        row->kind = g_strdup(kind);
        row->instance = g_strdup(i->row->name);
        row->subject_name = g_strdup(i->row->name);
        return job_queue(i->host, row, uid, error);
}

Job *instance_delete(Instance *i, uid_t uid, GError **error)
{
        return queue_job(i, JOB_DELETE_INSTANCE, uid, error);
}

Job *instance_reset(Instance *i, uid_t uid, GError **error)
{
        return queue_job(i, JOB_RESET_INSTANCE, uid, error);
}

static void log_failure(const char *result, const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

void instance_forget(Instance *i)
{
        Host *host = i->host;
        g_autoptr(GArray) overlays = g_array_ref(i->row->overlays);
        g_autoptr(Log) log = instance_log_new(i);

        /* One that had failed may still come back at boot, and is remembered as failed. */
        systemd1_disable(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_revert(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_reset_failed(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_reset_failed(host->systemd, i->mount_unit, log_failure, NULL);
        host_object_removed(host, OBJECT_INSTANCE, i->row->name);
        log_streams_end(host, log->name);
        instance_free(i);
        overlays_announce_users(host, overlays, true);
}

/* What is planned and what is there */

static gboolean plan_overlay(Instance *i, Overlay *overlay, GArray *plan, GError **error)
{
        LayerRef layer;

        if (!overlay || !overlay->row->generation) {
                const char *name = overlay ? overlay->row->name : HOST_GAME_OVERLAY;

                g_set_error(error, HOST_ERROR, HOST_ERROR_NOT_READY,
                        "Overlay \"%s\" of instance \"%s\" has no finished generation; build it first", name,
                        i->row->name);
                return FALSE;
        }
        layer = (LayerRef){overlay->row->id, overlay->row->generation};
        g_array_append_val(plan, layer);
        return TRUE;
}

GArray *instance_plan(Instance *i, GError **error)
{
        g_autoptr(GArray) plan = g_array_new(FALSE, FALSE, sizeof(LayerRef));

        for (guint n = 0; n < i->row->overlays->len; n++)
                if (!plan_overlay(i, overlay_by_id(i->host, g_array_index(i->row->overlays, uint64_t, n)),
                            plan, error))
                        return NULL;
        if (!plan_overlay(i, g_hash_table_lookup(i->host->overlays, HOST_GAME_OVERLAY), plan, error))
                return NULL;
        return g_steal_pointer(&plan);
}

bool instance_is_outdated(Instance *i)
{
        g_autoptr(GArray) plan = NULL;

        if (!i->is_mounted)
                return false;
        if (i->row->revision != i->row->mounted_revision)
                return true;
        plan = instance_plan(i, NULL);
        return !plan || plan->len != i->row->mounted->len ||
               memcmp(plan->data, i->row->mounted->data, plan->len * sizeof(LayerRef)) != 0;
}

bool instance_lists_overlay(Instance *i, uint64_t overlay)
{
        for (guint n = 0; n < i->row->overlays->len; n++)
                if (g_array_index(i->row->overlays, uint64_t, n) == overlay)
                        return true;
        return false;
}

/* What systemd says */

const char *instance_result(Instance *i)
{
        return i->is_given_up ? "start-limit-hit" : i->state->result;
}

char *instance_message(Instance *i)
{
        const UnitState *s = i->state;

        if (i->mount_error)
                return g_strdup(i->mount_error->message);
        if (g_str_equal(instance_result(i), "start-limit-hit"))
                return g_strdup(
                        "The server ended again and again right after its start, and systemd gave up; "
                        "look at its log, then start it");
        if (g_str_equal(s->result, "exit-code") && s->exec_main_status == EXIT_EXEC)
                return g_strdup("The game's srcds_run cannot be executed: it is missing, is not executable, "
                                "or names an interpreter that is missing");
        if (g_str_equal(s->result, "exit-code"))
                return g_strdup_printf("The server ended by itself with status %d", s->exec_main_status);
        if (g_str_equal(s->result, "signal") || g_str_equal(s->result, "core-dump"))
                return g_strdup_printf("The server was ended by signal %d (%s)", s->exec_main_status,
                        strsignal(s->exec_main_status));
        if (g_str_equal(s->result, "oom-kill"))
                return g_strdup("The server needed more memory than it may have, and was ended");
        if (!g_str_equal(s->result, "success"))
                return g_strdup_printf("The server failed: %s", s->result);
        return g_strdup("");
}

/* A server that was asked to stop and then ends with an odd status (OpenArena: 1) has stopped, not failed.
 * systemd sets a failure's Result before it leaves "active", so a stop that began with success was asked for.
 */
static void notice_asked_stop(Instance *i, const UnitState *state)
{
        if (g_str_equal(state->active_state, "deactivating") && g_str_equal(state->result, "success"))
                i->was_asked_to_stop = true;
        else if (!g_str_equal(state->active_state, "deactivating")) {
                if (i->was_asked_to_stop && g_str_equal(state->active_state, "failed"))
                        systemd1_reset_failed(i->host->systemd, i->server_unit, log_failure, NULL);
                i->was_asked_to_stop = false;
        }
}

/* When systemd gives up, its own Result still tells of the last run. But nothing else leads from the wait for
 * the next attempt (252 shows it as inactive for a moment after it) to failed. */
static bool is_given_up(const UnitState *before, const UnitState *state)
{
        return g_str_equal(state->active_state, "failed") && state->n_restarts > 0 &&
               (g_str_has_prefix(before->sub_state, "auto-restart") ||
                       g_str_equal(before->active_state, "inactive"));
}

void instance_unit_found(Instance *i, const UnitState *state)
{
        instance_unit_changed(i, i->server_unit, state);
        /* What was started again before would have been once more. */
        i->is_given_up = g_str_equal(state->active_state, "failed") && state->n_restarts > 0;
}

void instance_unit_changed(Instance *i, const char *unit, const UnitState *state)
{
        g_autoptr(UnitState) before = NULL;
        bool was_given_up = i->is_given_up;
        const char *changed[9];
        size_t n = 0;

        if (!g_str_equal(unit, i->server_unit)) {
                instance_unmount_unused(i);
                return;
        }
        notice_asked_stop(i, state);
        before = i->state;
        i->state = unit_state_copy(state);
        i->is_given_up =
                is_given_up(before, state) || (was_given_up && g_str_equal(state->active_state, "failed"));
        if (!g_str_equal(before->active_state, state->active_state))
                changed[n++] = "ActiveState";
        if (!g_str_equal(before->sub_state, state->sub_state))
                changed[n++] = "SubState";
        if (i->is_given_up != was_given_up || !g_str_equal(before->result, state->result) ||
                before->exec_main_status != state->exec_main_status) {
                changed[n++] = "Result";
                changed[n++] = "Message";
        }
        if (before->main_pid != state->main_pid)
                changed[n++] = "MainPID";
        if (!g_str_equal(before->invocation_id, state->invocation_id))
                changed[n++] = "InvocationID";
        if (before->n_restarts != state->n_restarts)
                changed[n++] = "NRestarts";
        if (before->started_at != state->started_at || before->main_pid != state->main_pid)
                changed[n++] = "StartedAt";
        changed[n] = NULL;
        host_object_changed(i->host, OBJECT_INSTANCE, i->row->name, changed);
}

void instance_address_changed(Instance *i)
{
        char *message = NULL;
        int r;

        i->row->revision++;
        r = store_save_instance(i->host->store, i->row, &message);
        if (r < 0) {
                i->row->revision--;
                g_warning("Instance \"%s\" does not show that its address is outdated: %s", i->row->name,
                        message);
                g_free(message);
        }
        instance_changed(i, "Address", "Outdated");
}

/* Without the lines of an earlier instance of that name. */
Log *instance_log_new(const Instance *i)
{
        char *units[] = {i->server_unit, i->mount_unit, NULL};

        return log_new(g_strdup_printf("instance \"%s\"", i->row->name),
                journal_lines_new(g_strdupv(units), i->row->created_at));
}
