/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Create, Configure and SetConfig set: all of it is right and saved, or nothing has changed. */
#include "instance.h"
#include "overlay.h"
#include "validate.h"

#include "dbus/names.h"
#include <string.h>

#define MAX_OVERLAYS 200 /* the three ways of mounting are tested up to here */

void instance_settings_clear(InstanceSettings *s)
{
        g_free(s->description);
        g_strfreev(s->arguments);
        g_clear_pointer(&s->overlays, g_ptr_array_unref);
        *s = (InstanceSettings){};
}

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
        row->created_at = host_now();
        g_free(row->name);
        row->name = g_strdup(name);
        i = instance_new(host, row);
        if (!apply_settings(i, settings, true, &ports_changed, error)) {
                instance_free(i);
                return NULL;
        }
        host_object_added(host, OBJECT_INSTANCE, name);
        overlays_announce_users(host, row->overlays, true);
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
                overlays_announce_users(i->host, before, false);
                overlays_announce_users(i->host, i->row->overlays, false);
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
