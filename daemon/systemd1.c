/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd1.h"
#include "error.h"
#include "sd-autoptr.h"
#include "systemd1-internal.h"
#include "util.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_TRIES 30 /* a second apart, and once more whenever systemd comes back */

void systemd1_call_free(Systemd1Call *c)
{
        c->systemd->calls = g_list_remove(c->systemd->calls, c);
        if (c->retry)
                g_source_remove(c->retry);
        sd_bus_slot_unref(c->slot);
        sd_bus_message_unref(c->message);
        g_clear_pointer(&c->early, g_hash_table_unref);
        g_free(c->job_path);
        g_free(c->unit);
        g_free(c);
}

Systemd1Call *systemd1_call_new(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        Systemd1Call *c = g_new0(Systemd1Call, 1);

        c->systemd = s;
        c->unit = g_strdup(unit);
        c->done = done;
        c->userdata = userdata;
        s->calls = g_list_prepend(s->calls, c);
        return c;
}

void systemd1_call_finish(Systemd1Call *c, const char *result, const GError *error)
{
        Systemd1Done done = c->done;
        void *userdata = c->userdata;

        systemd1_call_free(c);
        if (done)
                done(result, error, userdata);
}

static void call_fail(Systemd1Call *c, const char *what)
{
        g_autoptr(GError) error = g_error_new(
                HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED, "systemd refused to handle %s: %s", c->unit, what);

        systemd1_call_finish(c, NULL, error);
}

/* Sending */

static void call_submit(Systemd1Call *c)
{
        int r = sd_bus_call_async(c->systemd->bus, &c->slot, c->message, c->replied, c, UINT64_MAX);

        if (r < 0)
                g_error("Cannot ask systemd about %s: %s", c->unit, g_strerror(-r)); /* out of memory */
}

void systemd1_call_send(Systemd1Call *c, sd_bus_message *m, sd_bus_message_handler_t replied)
{
        c->message = sd_bus_message_ref(m);
        c->replied = replied;
        call_submit(c);
}

/* The same call as another message: the bus refuses a second one with the number of one that is not answered.
 */
static sd_bus_message *message_again(sd_bus *bus, sd_bus_message *m)
{
        sd_bus_message *again = NULL;
        int r = sd_bus_message_new_method_call(bus, &again, SYSTEMD_NAME, sd_bus_message_get_path(m),
                sd_bus_message_get_interface(m), sd_bus_message_get_member(m));

        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_copy(again, m, true);
        if (r < 0)
                g_error("Cannot ask systemd again: %s", g_strerror(-r)); /* out of memory */
        return again;
}

/* Asking twice does no harm: what is started is started, and a transient unit that exists was ours (see
 * on_call_reply()). */
static void call_resend(Systemd1Call *c)
{
        sd_bus_message *again = message_again(c->systemd->bus, c->message);

        sd_bus_message_unref(c->message);
        c->message = again;
        c->slot = sd_bus_slot_unref(c->slot);
        g_clear_pointer(&c->job_path, g_free);
        if (c->early)
                g_hash_table_remove_all(c->early);
        c->tries++;
        call_submit(c);
}

static gboolean on_retry(gpointer userdata)
{
        Systemd1Call *c = userdata;

        c->retry = 0;
        call_resend(c);
        return G_SOURCE_REMOVE;
}

bool systemd1_call_is_lost(Systemd1Call *c, const sd_bus_error *e)
{
        static const char *const names[] = {SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_DISCONNECTED,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_SERVICE_UNKNOWN, NULL};

        if (!e || !g_strv_contains(names, e->name) || c->tries >= MAX_TRIES)
                return false;
        /* Its return is announced, but the announcement may have come before this answer did. */
        c->retry = g_timeout_add_seconds(1, on_retry, c);
        return true;
}

void systemd1_resend(Systemd1 *s)
{
        g_autoptr(GList) calls = g_list_copy(s->calls);

        for (GList *l = calls; l; l = l->next) {
                Systemd1Call *c = l->data;

                if (c->retry)
                        g_source_remove(c->retry);
                c->retry = 0;
                call_resend(c);
        }
}

static int on_call_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Systemd1Call *c = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *path, *early;

        if (systemd1_call_is_lost(c, e))
                return 0;
        if (e && c->tries > 0 && sd_bus_error_has_name(e, SYSTEMD_NAME ".UnitExists"))
                systemd1_call_finish(c, "exists", NULL);
        else if (e && c->is_missing_fine && sd_bus_error_has_name(e, SYSTEMD_NAME ".NoSuchUnit"))
                systemd1_call_finish(c, "done", NULL);
        else if (e)
                call_fail(c, e->message ?: e->name);
        else if (c->tells_string && (sd_bus_message_read(reply, "s", &path) >= 0 ||
                                            sd_bus_message_read(reply, "v", "s", &path) >= 0)) {
                g_autofree char *result = g_strdup(path);
                systemd1_call_finish(c, result, NULL);
        } else if (!c->makes_job)
                systemd1_call_finish(c, "done", NULL);
        else if (sd_bus_message_read(reply, "o", &path) < 0)
                call_fail(c, "its answer makes no sense");
        else if ((early = g_hash_table_lookup(c->early, path))) {
                g_autofree char *result = g_strdup(early);
                systemd1_call_finish(c, result, NULL);
        } else
                c->job_path = g_strdup(path);
        return 0;
}

static void call_send(Systemd1Call *c, sd_bus_message *m)
{
        systemd1_call_send(c, m, on_call_reply);
}

sd_bus_message *systemd1_manager_message(Systemd1 *s, const char *member)
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
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, member);
        Systemd1Call *c = systemd1_call_new(s, unit, done, userdata);

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
        Systemd1Call *c = systemd1_call_new(s, unit, done, userdata);
        sd_bus_message *m = systemd1_manager_message(s, "StartTransientUnit");

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
        /* To see other people's processes it needs these (the last one for what they map), and must stay in
         * the host's namespaces. */
        const uint64_t capabilities = UINT64_C(1) << CAP_DAC_READ_SEARCH | UINT64_C(1) << CAP_SYS_PTRACE |
                                      UINT64_C(1) << CAP_CHECKPOINT_RESTORE;
        int r = sd_bus_message_open_container(m, 'a', "(sv)");

        if (r >= 0)
                r = append_argv(m, argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Type", "s", "oneshot",
                        "CollectMode", "s", "inactive-or-failed", "TimeoutStartUSec", "t", UINT64_C(5000000),
                        "NoNewPrivileges", "b", 1, "CapabilityBoundingSet", "t", capabilities,
                        "RestrictAddressFamilies", "(bas)", 1, 1, "AF_UNIX", "LockPersonality", "b", 1,
                        "StandardOutputFileDescriptor", "h", stdout_fd);
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
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "EnableUnitFiles");

        sd_bus_message_append(m, "asbb", 1, unit, 0, 1);
        call_send(systemd1_call_new(s, unit, done, userdata), m);
}

void systemd1_disable(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "DisableUnitFiles");

        sd_bus_message_append(m, "asb", 1, unit, 0);
        call_send(systemd1_call_new(s, unit, done, userdata), m);
}

void systemd1_is_enabled(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "GetUnitFileState");
        Systemd1Call *c = systemd1_call_new(s, unit, done, userdata);

        c->tells_string = true;
        sd_bus_message_append(m, "s", unit);
        call_send(c, m);
}

void systemd1_system_state(Systemd1 *s, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = NULL;
        Systemd1Call *c = systemd1_call_new(s, "a question about its own state", done, userdata);

        c->tells_string = true;
        if (sd_bus_message_new_method_call(s->bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, DBUS_PROPERTIES, "Get") <
                        0 ||
                sd_bus_message_append(m, "ss", SYSTEMD_MANAGER, "SystemState") < 0)
                return call_fail(c, "out of memory");
        call_send(c, m);
}

void systemd1_kill(Systemd1 *s, const char *unit)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "KillUnit");
        Systemd1Call *c = systemd1_call_new(s, unit, NULL, NULL);

        sd_bus_message_append(m, "ssi", unit, "all", SIGKILL);
        call_send(c, m);
}

void systemd1_reset_failed(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "ResetFailedUnit");
        Systemd1Call *c = systemd1_call_new(s, unit, done, userdata);

        c->is_missing_fine = true;
        sd_bus_message_append(m, "s", unit);
        call_send(c, m);
}

void systemd1_allow_ports(Systemd1 *s, const char *unit, const uint16_t *ports, size_t n_ports,
        Systemd1Done done, void *userdata)
{
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "SetUnitProperties");
        Systemd1Call *c = systemd1_call_new(s, unit, done, userdata);
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
        g_autoptr(sd_bus_message) m = systemd1_manager_message(s, "RevertUnitFiles");

        sd_bus_message_append(m, "as", 1, unit);
        call_send(systemd1_call_new(s, unit, done, userdata), m);
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
        r = systemd1_follow(s);
        if (r < 0)
                return r;
        *ret_systemd = g_steal_pointer(&s);
        return 0;
}

void systemd1_free(Systemd1 *s)
{
        if (!s)
                return;
        while (s->calls)
                systemd1_call_free(s->calls->data);
        for (size_t i = 0; i < G_N_ELEMENTS(s->slots); i++)
                sd_bus_slot_unref(s->slots[i]);
        g_hash_table_unref(s->units);
        g_free(s->owner);
        sd_bus_unref(s->bus);
        g_free(s);
}
