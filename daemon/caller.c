/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"
#include "message-sender.h"
#include "sd-autoptr.h"

#include <stdlib.h>
#include <systemd/sd-login.h>

struct Callers {
        sd_bus *bus;
        sd_bus_slot *vanished;
        GHashTable *by_name; /* name -> Caller, one reference */
        CallerGone gone;
        void *userdata;
};

typedef struct CallerWait {
        CallerKnown known;
        void *userdata;
} CallerWait;

void caller_unref(Caller *c)
{
        if (!c || --c->references > 0)
                return;
        g_queue_clear_full(&c->waiting, g_free);
        g_free(c->name);
        g_free(c->unit);
        g_free(c);
}

static void caller_unref_pointer(void *c)
{
        caller_unref(c);
}

static void caller_settled(Caller *c)
{
        CallerWait *wait;

        c->references++;
        while ((wait = g_queue_pop_head(&c->waiting))) {
                wait->known(c, wait->userdata);
                g_free(wait);
        }
        caller_unref(c);
}

void caller_when_known(Caller *c, CallerKnown known, void *userdata)
{
        CallerWait *wait;

        if (c->is_known || c->is_gone) {
                known(c, userdata);
                return;
        }
        wait = g_new(CallerWait, 1);
        *wait = (CallerWait){known, userdata};
        g_queue_push_tail(&c->waiting, wait);
}

static int read_credentials(sd_bus_message *m, Caller *c)
{
        bool has_uid = false;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;
                uint32_t number;

                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && (g_str_equal(key, "UnixUserID") || g_str_equal(key, "ProcessID"))) {
                        r = sd_bus_message_read(m, "v", "u", &number);
                        if (r >= 0 && g_str_equal(key, "UnixUserID")) {
                                c->uid = number;
                                has_uid = true;
                        } else if (r >= 0)
                                c->pid = (pid_t)number;
                } else if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : has_uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Caller *c = userdata;
        char *unit = NULL;

        if (!c->is_gone && !sd_bus_message_is_method_error(reply, NULL) && read_credentials(reply, c) >= 0) {
                c->is_known = true;
                /* One small file in /proc, about a process that waits for our answer. */
                if (c->pid > 0 && sd_pid_get_unit(c->pid, &unit) >= 0)
                        c->unit = g_strdup(unit);
                free(unit);
        } else if (!c->is_gone) {
                /* It left before we listened, so nobody will tell that it did. */
                c->is_gone = true;
                g_hash_table_remove(c->callers->by_name, c->name);
        }
        if (!c->unit)
                c->unit = g_strdup("");
        caller_settled(c);
        caller_unref(c);
        return 0;
}

Caller *callers_get(Callers *callers, const char *name)
{
        Caller *c = g_hash_table_lookup(callers->by_name, name);
        int r;

        if (c) {
                c->references++;
                return c;
        }
        c = g_new0(Caller, 1);
        c->callers = callers;
        c->references = 3; /* the table's, the question's, the one handed out */
        c->name = g_strdup(name);
        g_queue_init(&c->waiting);
        g_hash_table_insert(callers->by_name, c->name, c);
        r = sd_bus_call_method_async(callers->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "GetConnectionCredentials", on_credentials, c, "s", name);
        if (r < 0) {
                /* The bus is going away, and so is this program: an answer is to nobody. */
                c->is_gone = true;
                c->references--;
        }
        return c;
}

static int on_name_vanished(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Callers *callers = userdata;
        const char *name;
        Caller *c;

        if (!message_is_from(m, SENDER_BUS) || sd_bus_message_read(m, "s", &name) < 0 ||
                !(c = g_hash_table_lookup(callers->by_name, name)))
                return 0;
        g_hash_table_steal(callers->by_name, name);
        c->is_gone = true;
        callers->gone(c, callers->userdata);
        caller_settled(c);
        caller_unref(c);
        return 0;
}

int callers_new(sd_bus *bus, CallerGone gone, void *userdata, Callers **ret_callers)
{
        Callers *callers = g_new0(Callers, 1);
        int r;

        callers->bus = bus;
        callers->gone = gone;
        callers->userdata = userdata;
        callers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, caller_unref_pointer);
        r = sd_bus_add_match_async(bus, &callers->vanished,
                "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                "member='NameOwnerChanged',arg2=''",
                on_name_vanished, NULL, callers);
        if (r < 0) {
                callers_free(callers);
                return r;
        }
        *ret_callers = callers;
        return 0;
}

void callers_free(Callers *callers)
{
        if (!callers)
                return;
        sd_bus_slot_unref(callers->vanished);
        g_hash_table_unref(callers->by_name);
        g_free(callers);
}
