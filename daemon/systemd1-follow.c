/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd says by itself: states of units by PropertiesChanged, ends of its jobs by JobRemoved. Only
 * what was missed is asked for: the states at the start, after a reload and after systemd's own restart. */
#include "error.h"
#include "message-sender.h"
#include "sd-autoptr.h"
#include "systemd1-internal.h"

#include <stdlib.h>

/* Reading properties */

static void replace_string(char **target, sd_bus_message *m, const char *signature)
{
        const char *value;

        if (sd_bus_message_read(m, "v", signature, &value) < 0)
                return;
        g_free(*target);
        *target = g_strdup(value);
}

static int read_invocation(sd_bus_message *m, char **target)
{
        const uint8_t *bytes;
        size_t size;
        GString *hex;
        int r = sd_bus_message_enter_container(m, 'v', "ay");

        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', (const void **)&bytes, &size);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        hex = g_string_new(NULL);
        for (size_t i = 0; i < size; i++)
                g_string_append_printf(hex, "%02x", bytes[i]);
        g_free(*target);
        *target = g_string_free(hex, FALSE);
        return 0;
}

static int read_property(sd_bus_message *m, const char *name, UnitState *state)
{
        if (g_str_equal(name, "LoadState"))
                replace_string(&state->load_state, m, "s");
        else if (g_str_equal(name, "ActiveState"))
                replace_string(&state->active_state, m, "s");
        else if (g_str_equal(name, "SubState"))
                replace_string(&state->sub_state, m, "s");
        else if (g_str_equal(name, "Result"))
                replace_string(&state->result, m, "s");
        else if (g_str_equal(name, "ControlGroup"))
                replace_string(&state->control_group, m, "s");
        else if (g_str_equal(name, "InvocationID"))
                return read_invocation(m, &state->invocation_id);
        else if (g_str_equal(name, "MainPID"))
                return sd_bus_message_read(m, "v", "u", &state->main_pid);
        else if (g_str_equal(name, "NRestarts"))
                return sd_bus_message_read(m, "v", "u", &state->n_restarts);
        else if (g_str_equal(name, "ExecMainCode"))
                return sd_bus_message_read(m, "v", "i", &state->exec_main_code);
        else if (g_str_equal(name, "ExecMainStatus"))
                return sd_bus_message_read(m, "v", "i", &state->exec_main_status);
        else if (g_str_equal(name, "ExecMainStartTimestamp"))
                return sd_bus_message_read(m, "v", "t", &state->started_at);
        else if (g_str_equal(name, "RuntimeMaxUSec"))
                return sd_bus_message_read(m, "v", "t", &state->time_limit);
        else
                return sd_bus_message_skip(m, "v");
        return 0;
}

/* Reads a{sv} into the state; what it does not name stays. */
static int read_properties(sd_bus_message *m, UnitState *state)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_property(m, name, state);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int on_read_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Systemd1Call *c = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        g_autoptr(UnitState) state = unit_state_new();
        g_autoptr(GError) error = NULL;
        Systemd1Read read = c->read;
        void *data = c->userdata;

        if (systemd1_call_is_lost(c, e))
                return 0;
        if (e)
                error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                        "systemd does not tell about %s: %s", c->unit, e->message ?: e->name);
        else if (read_properties(reply, state) < 0)
                error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                        "systemd's answer about %s makes no sense", c->unit);
        systemd1_call_free(c);
        read(error ? NULL : state, error, data);
        return 0;
}

void systemd1_read(Systemd1 *s, const char *unit, Systemd1Read read, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autofree char *path = NULL;
        Systemd1Call *c = systemd1_call_new(s, unit, NULL, userdata);
        int r = sd_bus_path_encode(SYSTEMD_UNITS, unit, &path);

        c->read = read;
        if (r >= 0)
                r = sd_bus_message_new_method_call(s->bus, &m, SYSTEMD_NAME, path, DBUS_PROPERTIES, "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ""); /* of all interfaces */
        if (r < 0)
                g_error("Cannot ask systemd: %s", g_strerror(-r)); /* out of memory */
        systemd1_call_send(c, m, on_read_reply);
}

/* Following */

static UnitState *unit_lookup(Systemd1 *s, const char *unit)
{
        UnitState *state = g_hash_table_lookup(s->units, unit);

        if (!state) {
                state = unit_state_new();
                g_hash_table_insert(s->units, g_strdup(unit), state);
        }
        return state;
}

const UnitState *systemd1_unit(Systemd1 *s, const char *unit)
{
        static UnitState *unknown;
        UnitState *state = g_hash_table_lookup(s->units, unit);

        if (!unknown)
                unknown = unit_state_new();
        return state ?: unknown;
}

unsigned systemd1_version(Systemd1 *s)
{
        return s->version;
}

static int on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        g_autofree char *unit = NULL;
        UnitState *state;
        int r = sd_bus_path_decode(sd_bus_message_get_path(m), SYSTEMD_UNITS, &unit);

        if (r <= 0 || !message_is_from(m, s->owner) || !g_str_has_prefix(unit, UNIT_PREFIX))
                return 0;
        state = unit_lookup(s, unit);
        r = sd_bus_message_skip(m, "s");
        if (r >= 0)
                r = read_properties(m, state);
        if (r < 0)
                g_warning("Ignoring a signal about %s that makes no sense: %s", unit, g_strerror(-r));
        else if (s->is_ready)
                s->changed(unit, state, s->userdata);
        return 0;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        g_autoptr(GPtrArray) ended = g_ptr_array_new();
        const char *path, *unit, *result;

        if (!message_is_from(m, s->owner) || sd_bus_message_read(m, "uoss", NULL, &path, &unit, &result) < 0)
                return 0;
        for (GList *l = s->calls; l; l = l->next) {
                Systemd1Call *c = l->data;

                if (!c->makes_job || !g_str_equal(c->unit, unit))
                        continue;
                if (!c->job_path)
                        g_hash_table_insert(c->early, g_strdup(path), g_strdup(result));
                else if (g_str_equal(c->job_path, path))
                        g_ptr_array_add(ended, c); /* systemd merges jobs: several calls may wait for one */
        }
        for (guint n = 0; n < ended->len; n++)
                if (g_list_find(s->calls, ended->pdata[n])) /* what was told before may have ended it */
                        systemd1_call_finish(ended->pdata[n], result, NULL);
        return 0;
}

/* Listing: version, then the units, then each one's properties */

static void list_finished(Systemd1 *s)
{
        if (s->is_ready)
                return;
        s->is_ready = true;
        s->ready(s->userdata);
}

typedef struct ListItem {
        Systemd1 *systemd;
        char *unit;
        unsigned *left;
} ListItem;

static void on_listed_unit(const UnitState *state, const GError *error, void *userdata)
{
        ListItem *item = userdata;
        Systemd1 *s = item->systemd;

        if (state) {
                g_hash_table_insert(s->units, g_strdup(item->unit), unit_state_copy(state));
                if (s->is_ready)
                        s->changed(item->unit, state, s->userdata);
        } else
                g_warning("%s", error->message);
        if (--*item->left == 0) {
                g_free(item->left);
                list_finished(s);
        }
        g_free(item->unit);
        g_free(item);
}

static void on_refreshed(const UnitState *state, const GError *error, void *userdata)
{
        Systemd1Call *c = userdata;
        Systemd1 *s = c->systemd;

        if (state) {
                g_hash_table_insert(s->units, g_strdup(c->unit), unit_state_copy(state));
                s->changed(c->unit, state, s->userdata);
        }
        c->done(state ? "done" : NULL, error, c->userdata);
        g_free(c->unit);
        g_free(c);
}

void systemd1_refresh(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        Systemd1Call *c = g_new(Systemd1Call, 1); /* only to carry what it has, it sends nothing itself */

        *c = (Systemd1Call){.systemd = s, .unit = g_strdup(unit), .done = done, .userdata = userdata};
        systemd1_read(s, unit, on_refreshed, c);
}

/* Whatever we believed to run and is not listed any more is gone. */
static void forget_missing(Systemd1 *s, GPtrArray *listed)
{
        GHashTableIter iter;
        gpointer unit, state;
        g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);

        g_hash_table_iter_init(&iter, s->units);
        while (g_hash_table_iter_next(&iter, &unit, &state))
                if (!g_ptr_array_find_with_equal_func(listed, unit, g_str_equal, NULL))
                        g_ptr_array_add(gone, g_strdup(unit));
        for (guint i = 0; i < gone->len; i++) {
                g_hash_table_insert(s->units, g_strdup(gone->pdata[i]), unit_state_new());
                if (s->is_ready)
                        s->changed(gone->pdata[i], systemd1_unit(s, gone->pdata[i]), s->userdata);
        }
}

static int on_list_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        g_autoptr(GPtrArray) units = g_ptr_array_new_with_free_func(g_free);
        unsigned *left;
        const char *unit;
        int r = sd_bus_message_is_method_error(reply, NULL) ? -EIO : 0;

        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, NULL, NULL, NULL,
                                  NULL, NULL, NULL, NULL)) > 0)
                g_ptr_array_add(units, g_strdup(unit));
        if (r < 0) {
                g_warning("systemd does not list its units: %s", g_strerror(-r));
                return 0;
        }
        forget_missing(s, units);
        if (units->len == 0) {
                list_finished(s);
                return 0;
        }
        left = g_new(unsigned, 1);
        *left = units->len;
        for (guint i = 0; i < units->len; i++) {
                ListItem *item = g_new(ListItem, 1);

                *item = (ListItem){s, g_strdup(units->pdata[i]), left};
                systemd1_read(s, item->unit, on_listed_unit, item);
        }
        return 0;
}

static void list_units(Systemd1 *s)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "ListUnitsByPatterns");
        int r = sd_bus_message_append(m, "asas", 0, 1, UNIT_PREFIX "*.service");

        if (r >= 0)
                r = sd_bus_call_async(s->bus, NULL, m, on_list_reply, s, 0);
        if (r < 0)
                g_warning("Cannot ask systemd for its units: %s", g_strerror(-r));
}

static int on_version(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        const char *version = "";

        /* "252.39-1~deb12u2", "257.13-1" */
        if (sd_bus_message_is_method_error(reply, NULL) ||
                sd_bus_message_read(reply, "v", "s", &version) < 0) {
                g_warning("systemd does not tell its version"); /* it does when it comes back */
                return 0;
        }
        s->version = (unsigned)strtoul(version, NULL, 10);
        list_units(s);
        return 0;
}

static void subscribe(Systemd1 *s)
{
        int r = sd_bus_call_method_async(
                s->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL, NULL, NULL);

        if (r >= 0)
                r = sd_bus_call_method_async(s->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, DBUS_PROPERTIES, "Get",
                        on_version, s, "ss", SYSTEMD_MANAGER, "Version");
        if (r < 0)
                g_warning("Cannot subscribe to systemd: %s", g_strerror(-r));
}

/* systemd forgets a unit that has nothing to tell any more; so do we, or each job would leave its units here.
 */
static int on_unit_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        const char *unit;

        if (message_is_from(m, s->owner) && sd_bus_message_read(m, "s", &unit) >= 0 &&
                unit_state_is_stopped(systemd1_unit(s, unit)))
                g_hash_table_remove(s->units, unit);
        return 0;
}

static int on_reloading(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Systemd1 *s = userdata;
        int is_active;

        if (message_is_from(m, s->owner) && sd_bus_message_read(m, "b", &is_active) >= 0 && !is_active)
                list_units(s);
        return 0;
}

static void set_owner(Systemd1 *s, const char *owner)
{
        g_free(s->owner);
        s->owner = *owner ? g_strdup(owner) : NULL;
        if (s->owner)
                subscribe(s); /* a subscription is per connection of systemd's */
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        const char *owner;

        if (!message_is_from(m, SENDER_BUS) || sd_bus_message_read(m, "sss", NULL, NULL, &owner) < 0)
                return 0;
        set_owner(userdata, owner);
        if (*owner)
                systemd1_resend(userdata);
        return 0;
}

/* When there is none, its coming will be told. */
static int on_owner(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        const char *owner;

        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "s", &owner) >= 0)
                set_owner(userdata, owner);
        return 0;
}

int systemd1_follow(Systemd1 *s)
{
        static const struct {
                const char *rule;
                sd_bus_message_handler_t handler;
        } matches[] = {
#define PROPERTIES_RULE(interface)                                                                           \
        "type='signal',sender='" SYSTEMD_NAME "',interface='" DBUS_PROPERTIES                                \
        "',member='PropertiesChanged',"                                                                      \
        "path_namespace='" SYSTEMD_UNITS "',arg0='" interface "'"
#define MANAGER_RULE(member)                                                                                 \
        "type='signal',sender='" SYSTEMD_NAME "',interface='" SYSTEMD_MANAGER "',member='" member "'"
                {PROPERTIES_RULE(SYSTEMD_UNIT), on_properties_changed},
                {PROPERTIES_RULE(SYSTEMD_SERVICE), on_properties_changed},
                {MANAGER_RULE("JobRemoved"), on_job_removed},
                {MANAGER_RULE("UnitRemoved"), on_unit_removed},
                {MANAGER_RULE("Reloading"), on_reloading},
                {"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                 "member='NameOwnerChanged',arg0='" SYSTEMD_NAME "'",
                        on_owner_changed},
        };
        int r = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(matches) && r >= 0; i++)
                r = sd_bus_add_match_async(
                        s->bus, &s->slots[i], matches[i].rule, matches[i].handler, NULL, s);
        if (r >= 0)
                r = sd_bus_call_method_async(s->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                        "org.freedesktop.DBus", "GetNameOwner", on_owner, s, "s", SYSTEMD_NAME);
        return MIN(r, 0);
}
