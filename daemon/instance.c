/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "instance.h"
#include "job-queue.h"
#include "overlay.h"
#include "paths.h"
#include "util.h"
#include "validate.h"

#include "dbus/names.h"
#include <string.h>

#define MAX_OVERLAYS 200 /* the three ways of mounting are tested up to here */
#define EXIT_EXEC    203 /* systemd's word for an execve(2) that failed, see systemd.exec(5) */

void instance_settings_clear(InstanceSettings *s)
{
        g_free(s->description);
        g_strfreev(s->arguments);
        g_clear_pointer(&s->overlays, g_ptr_array_unref);
        *s = (InstanceSettings){};
}

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

/* Settings */

/* Returns: the ids of the named overlays, each one there, none twice, not the game. */
static GArray *resolve_overlays(Host *host, GPtrArray *names, GError **error)
{
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));

        if (names->len > MAX_OVERLAYS) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "Overlays lists %u overlays; at most %d can be laid over a game", names->len,
                        MAX_OVERLAYS);
                return NULL;
        }
        for (guint n = 0; n < names->len; n++) {
                Overlay *overlay = overlay_find(host, names->pdata[n], error);

                if (!overlay)
                        return NULL;
                if (g_str_equal(overlay->row->name, HOST_GAME_OVERLAY)) {
                        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                "Overlays must not name \"" HOST_GAME_OVERLAY
                                "\": the game is always the lowest layer");
                        return NULL;
                }
                if (overlay->deletion) {
                        g_set_error(error, HOST_ERROR, HOST_ERROR_BUSY,
                                "Overlay \"%s\" is being deleted by job %s; choose another",
                                overlay->row->name, overlay->deletion->id);
                        return NULL;
                }
                for (guint k = 0; k < ids->len; k++)
                        if (g_array_index(ids, uint64_t, k) == overlay->row->id) {
                                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                        "Overlays names \"%s\" twice; name it once", overlay->row->name);
                                return NULL;
                        }
                g_array_append_val(ids, overlay->row->id);
        }
        return g_steal_pointer(&ids);
}

/* The three ports are one set: the game's is `wanted` (0: the lowest free one), the others follow. */
static gboolean choose_ports(Instance *i, InstanceRow *row, uint16_t wanted, GError **error)
{
        const Settings *s = i->host->settings;
        uint16_t found[N_PORTS];
        char *message = NULL;
        int r;

        if (wanted && (wanted < s->port_first || wanted > s->port_last)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "Port %u of instance \"%s\" is outside PortRange %u-%u of host.conf", wanted,
                        row->name, s->port_first, s->port_last);
                return FALSE;
        }
        if (wanted && row->ports[PORT_GAME]) {
                row->ports[PORT_GAME] = wanted; /* the store refuses a port that somebody has */
                return TRUE;
        }
        r = store_find_free_ports(i->host->store, s->port_first, s->port_last, found, N_PORTS, &message);
        if (r < 0)
                return host_store_error(error, r, message);
        memcpy(row->ports, found, sizeof(found));
        if (wanted) {
                /* If `wanted` is one of the others found, it trades places with the game's. */
                for (size_t n = 1; n < N_PORTS; n++)
                        if (row->ports[n] == wanted)
                                row->ports[n] = row->ports[PORT_GAME];
                row->ports[PORT_GAME] = wanted;
        }
        return TRUE;
}

static bool ids_equal(const GArray *a, const GArray *b)
{
        return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(uint64_t)) == 0);
}

/* Applies settings to the row, saves it, and puts everything back when that fails. */
static gboolean apply_settings(
        Instance *i, const InstanceSettings *settings, bool is_new, bool *ret_ports_changed, GError **error)
{
        InstanceRow *row = i->row;
        InstanceRow before = *row;
        g_autoptr(GArray) overlays = NULL;
        char *message = NULL;
        int r;

        if (settings->has_description && !validate_description(settings->description, error))
                return FALSE;
        if (settings->has_arguments && !validate_arguments(settings->arguments, error))
                return FALSE;
        if (settings->has_overlays && !(overlays = resolve_overlays(i->host, settings->overlays, error)))
                return FALSE;
        if ((is_new || settings->has_port) &&
                !choose_ports(i, row, settings->has_port ? settings->port : 0, error)) {
                memcpy(row->ports, before.ports, sizeof(row->ports));
                return FALSE;
        }
        if (settings->has_description)
                row->description = settings->description;
        if (settings->has_arguments)
                row->arguments = settings->arguments;
        if (overlays)
                row->overlays = overlays;
        if (memcmp(row->ports, before.ports, sizeof(row->ports)) != 0 ||
                !g_strv_equal((const char *const *)row->arguments, (const char *const *)before.arguments) ||
                !ids_equal(row->overlays, before.overlays))
                row->revision++;
        r = store_save_instance(i->host->store, row, &message);
        *ret_ports_changed = memcmp(row->ports, before.ports, sizeof(row->ports)) != 0;
        if (r < 0) {
                *row = before;
                return host_store_error(error, r, message);
        }
        /* Saved: now the row owns copies of the new values, and the old ones go. */
        if (settings->has_description) {
                row->description = g_strdup(settings->description);
                g_free(before.description);
        }
        if (settings->has_arguments) {
                row->arguments = g_strdupv(settings->arguments);
                g_strfreev(before.arguments);
        }
        if (overlays) {
                g_steal_pointer(&overlays);
                g_array_unref(before.overlays);
        }
        return TRUE;
}

static void announce_users(Host *host, const GArray *overlays)
{
        for (guint n = 0; n < overlays->len; n++) {
                Overlay *overlay = overlay_by_id(host, g_array_index(overlays, uint64_t, n));

                if (overlay)
                        overlay_changed(overlay, "UsedBy");
        }
}

static void announce_game_users(Host *host)
{
        Overlay *game = g_hash_table_lookup(host->overlays, HOST_GAME_OVERLAY);

        if (game)
                overlay_changed(game, "UsedBy");
}

Instance *instance_create(Host *host, const char *name, const InstanceSettings *settings, GError **error)
{
        Instance *i;
        InstanceRow *row;
        bool ports_changed;

        if (!validate_name("instance", name, error))
                return NULL;
        if (g_hash_table_contains(host->instances, name)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_NAME_TAKEN,
                        "There is an instance \"%s\" already; choose another name", name);
                return NULL;
        }
        row = instance_row_new();
        g_free(row->name);
        row->name = g_strdup(name);
        i = instance_new(host, row);
        if (!apply_settings(i, settings, true, &ports_changed, error)) {
                instance_free(i);
                return NULL;
        }
        host_object_added(host, OBJECT_INSTANCE, name);
        announce_users(host, row->overlays);
        announce_game_users(host);
        return i;
}

gboolean instance_configure(Instance *i, const InstanceSettings *settings, GError **error)
{
        g_autoptr(GArray) before = g_array_copy(i->row->overlays);
        bool ports_changed;

        if (i->job && g_str_equal(i->job->row->kind, JOB_DELETE_INSTANCE))
                return instance_check_free(i, error);
        if (!apply_settings(i, settings, false, &ports_changed, error))
                return FALSE;
        if (ports_changed)
                i->has_ports_applied = false;
        instance_changed(i, "Description", "Port", "Arguments", "Overlays", "Outdated", "Address");
        if (!ids_equal(before, i->row->overlays)) {
                announce_users(i->host, before);
                announce_users(i->host, i->row->overlays);
        }
        return TRUE;
}

gboolean instance_set_config(Instance *i, const char *text, GError **error)
{
        char *before = i->row->config, *message = NULL;
        int r;

        if (!validate_text("configuration", text, INSTANCE_CONFIG_MAX, error))
                return FALSE;
        if (i->job && g_str_equal(i->job->row->kind, JOB_DELETE_INSTANCE))
                return instance_check_free(i, error);
        if (g_str_equal(before, text))
                return TRUE;
        i->row->config = g_strdup(text);
        i->row->revision++;
        r = store_save_instance(i->host->store, i->row, &message);
        if (r < 0) {
                g_free(i->row->config);
                i->row->config = before;
                i->row->revision--;
                return host_store_error(error, r, message);
        }
        g_free(before);
        instance_changed(i, "Outdated");
        return TRUE;
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

        /* One that had failed may still come back at boot, and is remembered as failed. */
        systemd1_disable(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_revert(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_reset_failed(host->systemd, i->server_unit, log_failure, NULL);
        systemd1_reset_failed(host->systemd, i->mount_unit, log_failure, NULL);
        host_object_removed(host, OBJECT_INSTANCE, i->row->name);
        instance_free(i);
        announce_users(host, overlays);
        announce_game_users(host);
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
