/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd1.h"
#include "error.h"
#include "sd-autoptr.h"
#include "util.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_UNITS   SYSTEMD_PATH "/unit"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT    SYSTEMD_NAME ".Unit"
#define SYSTEMD_SERVICE SYSTEMD_NAME ".Service"
#define DBUS_PROPERTIES "org.freedesktop.DBus.Properties"
#define UNIT_PREFIX     "left4me-"

struct Systemd1 {
        sd_bus *bus;
        GHashTable *units; /* name -> UnitState, owned */
        GList *calls;      /* Systemd1Call, those that are not answered yet */
        unsigned version;
        bool is_ready;
        Systemd1UnitChanged changed;
        Systemd1Ready ready;
        void *userdata;
        sd_bus_slot *slots[5];
};

/* One call on its way: to the reply, and for those that make a systemd job on to its JobRemoved. */
typedef struct Systemd1Call {
        Systemd1 *systemd;
        char *unit;
        Systemd1Done done;
        Systemd1Read read;
        void *userdata;
        bool makes_job;
        bool is_missing_fine; /* NoSuchUnit counts as done */
        bool tells_string;    /* the answer is the result */
        char *job_path;       /* once the reply told it */
        GHashTable *early;    /* job path -> result: JobRemoved may overtake the reply */
        sd_bus_slot *slot;
} Systemd1Call;

static void call_free(Systemd1Call *c)
{
        c->systemd->calls = g_list_remove(c->systemd->calls, c);
        sd_bus_slot_unref(c->slot);
        g_clear_pointer(&c->early, g_hash_table_unref);
        g_free(c->job_path);
        g_free(c->unit);
        g_free(c);
}

static Systemd1Call *call_new(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        Systemd1Call *c = g_new0(Systemd1Call, 1);

        c->systemd = s;
        c->unit = g_strdup(unit);
        c->done = done;
        c->userdata = userdata;
        s->calls = g_list_prepend(s->calls, c);
        return c;
}

static void call_finish(Systemd1Call *c, const char *result, const GError *error)
{
        Systemd1Done done = c->done;
        void *userdata = c->userdata;

        call_free(c);
        if (done)
                done(result, error, userdata);
}

static void call_fail(Systemd1Call *c, const char *what)
{
        g_autoptr(GError) error = g_error_new(
                HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED, "systemd refused to handle %s: %s", c->unit, what);

        call_finish(c, NULL, error);
}

static int on_call_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Systemd1Call *c = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *path, *early;

        if (e && c->is_missing_fine && sd_bus_error_has_name(e, SYSTEMD_NAME ".NoSuchUnit"))
                call_finish(c, "done", NULL);
        else if (e)
                call_fail(c, e->message ?: e->name);
        else if (c->tells_string && sd_bus_message_read(reply, "s", &path) >= 0) {
                g_autofree char *result = g_strdup(path);
                call_finish(c, result, NULL);
        } else if (!c->makes_job)
                call_finish(c, "done", NULL);
        else if (sd_bus_message_read(reply, "o", &path) < 0)
                call_fail(c, "its answer makes no sense");
        else if ((early = g_hash_table_lookup(c->early, path))) {
                g_autofree char *result = g_strdup(early);
                call_finish(c, result, NULL);
        } else
                c->job_path = g_strdup(path);
        return 0;
}

static void call_send(Systemd1Call *c, sd_bus_message *m)
{
        /* No time limit of the bus here: systemd answers, or its name goes away and the bus says so. */
        int r = sd_bus_call_async(c->systemd->bus, &c->slot, m, on_call_reply, c, 0);

        if (r < 0)
                call_fail(c, g_strerror(-r));
}

static sd_bus_message *manager_message(Systemd1 *s, const char *member)
{
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(
                s->bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, member);

        if (r < 0)
                g_error("Cannot make a message for systemd: %s", g_strerror(-r)); /* out of memory */
        return m;
}

static void send_unit_job(
        Systemd1 *s, const char *member, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, member);
        Systemd1Call *c = call_new(s, unit, done, userdata);

        c->makes_job = true;
        c->is_missing_fine = g_str_equal(member, "StopUnit");
        c->early = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        if (sd_bus_message_append(m, "ss", unit, "replace") < 0)
                return call_fail(c, "its name is no unit name");
        call_send(c, m);
}

void systemd1_start(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        send_unit_job(s, "StartUnit", unit, done, userdata);
}

void systemd1_stop(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        send_unit_job(s, "StopUnit", unit, done, userdata);
}

void systemd1_restart(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        send_unit_job(s, "RestartUnit", unit, done, userdata);
}

static Systemd1Call *transient_open(
        Systemd1 *s, const char *unit, Systemd1Done done, void *userdata, sd_bus_message **ret)
{
        Systemd1Call *c = call_new(s, unit, done, userdata);
        sd_bus_message *m = manager_message(s, "StartTransientUnit");

        c->makes_job = true;
        c->early = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        sd_bus_message_append(m, "ss", unit, "fail");
        *ret = m;
        return c;
}

void systemd1_start_transient(
        Systemd1 *s, const char *unit, const SandboxSpec *spec, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        Systemd1Call *c = transient_open(s, unit, done, userdata, &m);
        int r = sandbox_append_properties(m, spec, s->version);

        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return call_fail(c, g_strerror(-r));
        call_send(c, m);
}

static int append_argv(sd_bus_message *m, char *const *argv)
{
        int r = sd_bus_message_open_container(m, 'r', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", "ExecStart");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **)argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", 0);
        for (int depth = 0; r >= 0 && depth < 4; depth++)
                r = sd_bus_message_close_container(m);
        return r;
}

void systemd1_start_inspector(
        Systemd1 *s, const char *unit, char *const *argv, int stdout_fd, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        Systemd1Call *c = transient_open(s, unit, done, userdata, &m);
        /* To see other people's processes it needs these two, and must stay in the host's namespaces. */
        const uint64_t cap_dac_read_search = UINT64_C(1) << 2, cap_sys_ptrace = UINT64_C(1) << 19;
        int r = sd_bus_message_open_container(m, 'a', "(sv)");

        if (r >= 0)
                r = append_argv(m, argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Type", "s", "oneshot",
                        "CollectMode", "s", "inactive-or-failed", "TimeoutStartUSec", "t", UINT64_C(5000000),
                        "NoNewPrivileges", "b", 1, "CapabilityBoundingSet", "t",
                        cap_dac_read_search | cap_sys_ptrace, "RestrictAddressFamilies", "(bas)", 1, 1,
                        "AF_UNIX", "LockPersonality", "b", 1, "StandardOutputFileDescriptor", "h", stdout_fd);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return call_fail(c, g_strerror(-r));
        call_send(c, m);
}

void systemd1_enable(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "EnableUnitFiles");

        sd_bus_message_append(m, "asbb", 1, unit, 0, 1);
        call_send(call_new(s, unit, done, userdata), m);
}

void systemd1_disable(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "DisableUnitFiles");

        sd_bus_message_append(m, "asb", 1, unit, 0);
        call_send(call_new(s, unit, done, userdata), m);
}

void systemd1_is_enabled(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "GetUnitFileState");
        Systemd1Call *c = call_new(s, unit, done, userdata);

        c->tells_string = true;
        sd_bus_message_append(m, "s", unit);
        call_send(c, m);
}

void systemd1_reset_failed(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "ResetFailedUnit");
        Systemd1Call *c = call_new(s, unit, done, userdata);

        c->is_missing_fine = true;
        sd_bus_message_append(m, "s", unit);
        call_send(c, m);
}

void systemd1_allow_ports(Systemd1 *s, const char *unit, const uint16_t *ports, size_t n_ports,
        Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "SetUnitProperties");
        Systemd1Call *c = call_new(s, unit, done, userdata);
        int r = sd_bus_message_append(m, "sb", unit, 0);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        /* An empty list first: each assignment adds to what is there. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "SocketBindAllow", "a(iiqq)", 0);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "SocketBindAllow");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(iiqq)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(iiqq)");
        for (size_t i = 0; r >= 0 && i < n_ports; i++)
                r = sd_bus_message_append(m, "(iiqq)(iiqq)", AF_UNSPEC, IPPROTO_UDP, 1, ports[i], AF_UNSPEC,
                        IPPROTO_TCP, 1, ports[i]);
        for (int depth = 0; r >= 0 && depth < 4; depth++)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return call_fail(c, g_strerror(-r));
        call_send(c, m);
}

void systemd1_revert(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = manager_message(s, "RevertUnitFiles");

        sd_bus_message_append(m, "as", 1, unit);
        call_send(call_new(s, unit, done, userdata), m);
}

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

        if (e)
                error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                        "systemd does not tell about %s: %s", c->unit, e->message ?: e->name);
        else if (read_properties(reply, state) < 0)
                error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                        "systemd's answer about %s makes no sense", c->unit);
        call_free(c);
        read(error ? NULL : state, error, data);
        return 0;
}

void systemd1_read(Systemd1 *s, const char *unit, Systemd1Read read, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        g_autofree char *path = NULL;
        Systemd1Call *c = call_new(s, unit, NULL, userdata);
        int r = sd_bus_path_encode(SYSTEMD_UNITS, unit, &path);

        c->read = read;
        if (r >= 0)
                r = sd_bus_message_new_method_call(s->bus, &m, SYSTEMD_NAME, path, DBUS_PROPERTIES, "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ""); /* of all interfaces */
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &c->slot, m, on_read_reply, c, 0);
        if (r < 0)
                g_error("Cannot ask systemd: %s", g_strerror(-r)); /* out of memory */
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

        if (r <= 0 || !g_str_has_prefix(unit, UNIT_PREFIX))
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
        const char *path, *unit, *result;

        if (sd_bus_message_read(m, "uoss", NULL, &path, &unit, &result) < 0)
                return 0;
        for (GList *l = s->calls; l; l = l->next) {
                Systemd1Call *c = l->data;

                if (!c->makes_job || !g_str_equal(c->unit, unit))
                        continue;
                if (!c->job_path)
                        g_hash_table_insert(c->early, g_strdup(path), g_strdup(result));
                else if (g_str_equal(c->job_path, path)) {
                        call_finish(c, result, NULL);
                        break;
                }
        }
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
        g_autoptr(sd_bus_message) m = manager_message(s, "ListUnitsByPatterns");
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
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "s", &version) < 0)
                g_warning("systemd does not tell its version");
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

static int on_reloading(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        int is_active;

        if (sd_bus_message_read(m, "b", &is_active) >= 0 && !is_active)
                list_units(userdata);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        const char *owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &owner) >= 0 && *owner)
                subscribe(userdata); /* a subscription is per connection of systemd's */
        return 0;
}

static int add_matches(Systemd1 *s)
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
                {MANAGER_RULE("Reloading"), on_reloading},
                {"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                 "member='NameOwnerChanged',arg0='" SYSTEMD_NAME "'",
                        on_owner_changed},
        };
        int r = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(matches) && r >= 0; i++)
                r = sd_bus_add_match_async(
                        s->bus, &s->slots[i], matches[i].rule, matches[i].handler, NULL, s);
        return r;
}

int systemd1_new(
        sd_bus *bus, Systemd1UnitChanged changed, Systemd1Ready ready, void *userdata, Systemd1 **ret_systemd)
{
        g_autoptr(Systemd1) s = g_new0(Systemd1, 1);
        int r;

        s->bus = sd_bus_ref(bus);
        s->units = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)unit_state_free);
        s->changed = changed;
        s->ready = ready;
        s->userdata = userdata;
        r = add_matches(s);
        if (r < 0)
                return r;
        subscribe(s);
        *ret_systemd = g_steal_pointer(&s);
        return 0;
}

void systemd1_free(Systemd1 *s)
{
        if (!s)
                return;
        while (s->calls)
                call_free(s->calls->data);
        for (size_t i = 0; i < G_N_ELEMENTS(s->slots); i++)
                sd_bus_slot_unref(s->slots[i]);
        g_hash_table_unref(s->units);
        sd_bus_unref(s->bus);
        g_free(s);
}
