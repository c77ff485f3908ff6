/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "overlay.h"
#include "disk-limit.h"
#include "instance.h"
#include "job-queue.h"
#include "validate.h"

#include "dbus/names.h"
#include <string.h>

#define KEEP_MAX       16
#define TIME_LIMIT_MAX (UINT64_C(24) * 3600 * G_USEC_PER_SEC)

void overlay_settings_clear(OverlaySettings *s)
{
        g_free(s->description);
        *s = (OverlaySettings){};
}

Overlay *overlay_new(Host *host, OverlayRow *row)
{
        Overlay *o = g_new0(Overlay, 1);

        o->host = host;
        o->row = row;
        g_hash_table_insert(host->overlays, row->name, o);
        g_hash_table_insert(host->overlays_by_id, &row->id, o);
        return o;
}

void overlay_free(Overlay *o)
{
        if (!o)
                return;
        g_hash_table_remove(o->host->overlays, o->row->name);
        g_hash_table_remove(o->host->overlays_by_id, &o->row->id);
        overlay_row_free(o->row);
        g_free(o);
}

Overlay *overlay_find(Host *host, const char *name, GError **error)
{
        Overlay *o = g_hash_table_lookup(host->overlays, name);

        if (!o) {
                g_autofree char *shown = name_show(name);

                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SUCH_OVERLAY,
                        "There is no overlay \"%s\"; create it first", shown);
        }
        return o;
}

Overlay *overlay_by_id(Host *host, uint64_t id)
{
        return g_hash_table_lookup(host->overlays_by_id, &id);
}

static gboolean check_settings(const OverlaySettings *s, GError **error)
{
        if (s->has_description && !validate_description(s->description, error))
                return FALSE;
        if (s->has_time_limit && s->time_limit > TIME_LIMIT_MAX) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "TimeLimit is %" G_GUINT64_FORMAT
                        " microseconds; at most a day is possible, and 0 means "
                        "BuildTimeLimitSec of host.conf",
                        s->time_limit);
                return FALSE;
        }
        if (s->has_size_limit && s->size_limit &&
                (s->size_limit < SIZE_LIMIT_MIN || s->size_limit > SIZE_LIMIT_MAX)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "SizeLimit is %" G_GUINT64_FORMAT " bytes; from 1 MiB to 16 TiB are possible, and 0 "
                        "means BuildSizeLimit of host.conf",
                        s->size_limit);
                return FALSE;
        }
        if (s->has_file_limit && s->file_limit > FILE_LIMIT_MAX) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "FileLimit is %" G_GUINT64_FORMAT "; at most %d are possible, and 0 means "
                        "BuildFileLimit of host.conf",
                        s->file_limit, FILE_LIMIT_MAX);
                return FALSE;
        }
        if (s->has_keep_generations && s->keep_generations > KEEP_MAX) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "KeepGenerations is %u; at most %d are possible, and 0 means KeepGenerations of "
                        "host.conf",
                        s->keep_generations, KEEP_MAX);
                return FALSE;
        }
        return TRUE;
}

/* Sets and saves; the row is as before when that fails. */
static gboolean apply_settings(Host *host, OverlayRow *row, const OverlaySettings *s, GError **error)
{
        OverlayRow before = *row;
        char *message = NULL;
        int r;

        if (!check_settings(s, error))
                return FALSE;
        if (s->has_description)
                row->description = s->description;
        if (s->has_time_limit)
                row->time_limit = s->time_limit;
        if (s->has_size_limit)
                row->size_limit = s->size_limit;
        if (s->has_file_limit)
                row->file_limit = s->file_limit;
        if (s->has_keep_generations)
                row->keep_generations = s->keep_generations;
        r = store_save_overlay(host->store, row, &message);
        if (r < 0) {
                *row = before;
                return host_store_error(error, r, message);
        }
        if (s->has_description) {
                row->description = g_strdup(s->description);
                g_free(before.description);
        }
        return TRUE;
}

Overlay *overlay_create(
        Host *host, const char *name, const char *kind, const OverlaySettings *settings, GError **error)
{
        g_autoptr(OverlayRow) row = overlay_row_new();
        Overlay *o;

        if (!validate_name("overlay", name, error))
                return NULL;
        if (!g_str_equal(kind, HOST_OVERLAY_KIND_SCRIPT) && !g_str_equal(kind, HOST_OVERLAY_KIND_FILES)) {
                g_autofree char *shown = name_show(kind);

                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "\"%s\" is no kind of overlay; this service knows \"" HOST_OVERLAY_KIND_SCRIPT
                        "\" and \"" HOST_OVERLAY_KIND_FILES "\"",
                        shown);
                return NULL;
        }
        if (g_hash_table_contains(host->overlays, name)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_NAME_TAKEN,
                        "There is an overlay \"%s\" already; choose another name", name);
                return NULL;
        }
        g_free(row->name);
        row->name = g_strdup(name);
        g_free(row->kind);
        row->kind = g_strdup(kind);
        row->next_generation = 1;
        if (!apply_settings(host, row, settings, error))
                return NULL;
        o = overlay_new(host, g_steal_pointer(&row));
        host_object_added(host, OBJECT_OVERLAY, name);
        return o;
}

static gboolean check_not_deleted(Overlay *o, GError **error)
{
        if (!o->deletion)
                return TRUE;
        job_set_busy(o->deletion, error);
        return FALSE;
}

gboolean overlay_configure(Overlay *o, const OverlaySettings *settings, GError **error)
{
        if (!check_not_deleted(o, error) || !apply_settings(o->host, o->row, settings, error))
                return FALSE;
        overlay_changed(o, "Description", "TimeLimit", "SizeLimit", "FileLimit", "KeepGenerations");
        overlay_prune(o);
        return TRUE;
}

static gboolean check_kind(Overlay *o, const char *kind, const char *instead, GError **error)
{
        if (g_str_equal(o->row->kind, kind))
                return TRUE;
        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "Overlay \"%s\" is of the kind \"%s\": %s",
                o->row->name, o->row->kind, instead);
        return FALSE;
}

static gboolean check_is_script(Overlay *o, GError **error)
{
        return check_kind(o, HOST_OVERLAY_KIND_SCRIPT, "it has no script, its files come by Import", error);
}

gboolean overlay_set_script(Overlay *o, const char *text, GError **error)
{
        char *before = o->row->script, *message = NULL;
        int r;

        if (!check_is_script(o, error) || !check_not_deleted(o, error) ||
                !validate_text("script", text, OVERLAY_SCRIPT_MAX, error))
                return FALSE;
        o->row->script = g_strdup(text);
        r = store_save_overlay(o->host->store, o->row, &message);
        if (r < 0) {
                g_free(o->row->script);
                o->row->script = before;
                return host_store_error(error, r, message);
        }
        g_free(before);
        return TRUE;
}

JobRow *overlay_job_row(Overlay *o, const char *kind)
{
        JobRow *row = job_row_new();

        row->kind = g_strdup(kind);
        row->overlay = o->row->id;
        row->subject_name = g_strdup(o->row->name);
        return row;
}

Job *overlay_build(Overlay *o, uid_t uid, GError **error)
{
        if (!check_is_script(o, error))
                return NULL;
        if (!*o->row->script) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_NOT_READY,
                        "Overlay \"%s\" has no script; give it one with SetScript", o->row->name);
                return NULL;
        }
        if (o->host->filter == FILTER_INERT) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_SANDBOX_UNAVAILABLE,
                        "Overlay \"%s\" is not built: systemd's address filter does nothing on this host, so "
                        "a "
                        "script could reach it; see \"IPAddressDeny\" in the journal",
                        o->row->name);
                return NULL;
        }
        if (!disk_limit_check_free(o->host, o->row->name, error))
                return NULL;
        return job_queue(o->host, overlay_job_row(o, JOB_BUILD), uid, error);
}

void overlay_import(
        Overlay *o, int fd, const ImportSettings *settings, uid_t uid, ImportDone done, void *userdata)
{
        g_autoptr(GError) error = NULL;

        if (check_kind(o, HOST_OVERLAY_KIND_FILES, "its files come from its script, by Build", &error) &&
                (!settings->file_name || validate_vpk_name(settings->file_name, &error)) &&
                overlay_check_idle(o, &error))
                job_import_start(o, fd, settings, uid, done, userdata);
        else
                done(NULL, error, userdata);
}

Job *overlay_wipe_cache(Overlay *o, uid_t uid, GError **error)
{
        return job_queue(o->host, overlay_job_row(o, JOB_WIPE_CACHE), uid, error);
}

Job *overlay_delete(Overlay *o, uid_t uid, GError **error)
{
        g_autoptr(GPtrArray) users = overlay_users(o);

        if (users->len > 0) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_IN_USE,
                        "Overlay \"%s\" is used by instance \"%s\"%s; take it out of there first",
                        o->row->name, (char *)users->pdata[0], users->len > 1 ? " and others" : "");
                return NULL;
        }
        return job_queue(o->host, overlay_job_row(o, JOB_DELETE_OVERLAY), uid, error);
}

void overlay_forget(Overlay *o)
{
        host_object_removed(o->host, OBJECT_OVERLAY, o->row->name);
        overlay_free(o);
}

uint64_t overlay_size_limit(const Overlay *o)
{
        return o->row->size_limit ?: o->host->settings->build_size_limit;
}

uint64_t overlay_file_limit(const Overlay *o)
{
        return o->row->file_limit ?: o->host->settings->build_file_limit;
}

uint64_t overlay_time_limit(const Overlay *o)
{
        return o->row->time_limit ?: o->host->settings->build_time_limit;
}

const char *overlay_state(Overlay *o)
{
        Job *last;

        if (overlay_maker(o))
                return "building";
        last = o->row->last_job ? job_find(o->host, o->row->last_job, NULL) : NULL;
        if (last && job_is_finished(last) && !g_str_equal(last->row->state, "done"))
                return "failed";
        return o->row->generation ? "ready" : "empty";
}

static int compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *overlay_users(Overlay *o)
{
        bool is_game = g_str_equal(o->row->name, HOST_GAME_OVERLAY);
        GPtrArray *users = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, o->host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Instance *i = value;

                if (is_game || instance_lists_overlay(i, o->row->id))
                        g_ptr_array_add(users, g_strdup(i->row->name));
        }
        g_ptr_array_sort(users, compare_names);
        return users;
}

void overlays_announce_users(Host *host, const GArray *overlays, bool and_game)
{
        Overlay *game = and_game ? g_hash_table_lookup(host->overlays, HOST_GAME_OVERLAY) : NULL;

        for (guint n = 0; n < overlays->len; n++) {
                Overlay *overlay = overlay_by_id(host, g_array_index(overlays, uint64_t, n));

                if (overlay)
                        overlay_changed(overlay, "UsedBy");
        }
        if (game)
                overlay_changed(game, "UsedBy");
}

bool overlay_is_mounted(Overlay *o, uint64_t generation)
{
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, o->host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const GArray *mounted = ((Instance *)value)->row->mounted;

                for (guint n = 0; n < mounted->len; n++) {
                        const LayerRef *layer = &g_array_index(mounted, LayerRef, n);

                        if (layer->overlay == o->row->id && (!generation || layer->generation == generation))
                                return true;
                }
        }
        return false;
}
