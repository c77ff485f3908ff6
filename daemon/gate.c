/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"
#include "audit.h"
#include "message-size.h"
#include "object-path.h"
#include "options.h"
#include "paths.h"
#include "sd-autoptr.h"

#include "dbus/names.h"
#include <pwd.h>
#include <string.h>

#define MESSAGE_MAX (2 * 1024 * 1024) /* bytes; twice the longest script */

/* What the calls of one user may hold, besides their number, which is a setting. */
#define USER_BYTES_MAX (16 * 1024 * 1024)
/* And those of one connection for as long as the bus has not told whose it is. */
#define UNKNOWN_CALLS_MAX 256
#define UNKNOWN_BYTES_MAX (4 * 1024 * 1024)

static const char too_many[] = "Too many calls of this user wait for an answer (MaxPendingCallsPerUser), or "
                               "too big ones; wait for some";

struct Gate {
        sd_bus *bus;
        Host *host;
        sd_bus_slot *filter;
        Callers *callers;
        GHashTable *calls;    /* Call: every one that is not answered, as a set */
        GHashTable *approved; /* sd_bus_message -> Call: on its way back through the read queue */
        GHashTable *lines;    /* "sender path" -> GQueue of Call */
        GHashTable *held;     /* uid -> Held */
        Call *offered;        /* let through to its handler, which takes it from here */
        GArray *outcasts;     /* uid_t */
        uint64_t last_id;
};

Host *gate_host(Gate *gate)
{
        return gate->host;
}

bool gate_is_outcast(Gate *gate, uid_t uid)
{
        for (guint n = 0; n < gate->outcasts->len; n++)
                if (g_array_index(gate->outcasts, uid_t, n) == uid)
                        return true;
        return false;
}

/* Lines */

static char *line_key(sd_bus_message *m)
{
        return g_strconcat(sd_bus_message_get_sender(m), " ", sd_bus_message_get_path(m), NULL);
}

static void line_join(Gate *gate, Call *call)
{
        g_autofree char *key = line_key(call->message);

        call->line = g_hash_table_lookup(gate->lines, key);
        if (!call->line) {
                call->line = g_queue_new();
                g_hash_table_insert(gate->lines, g_steal_pointer(&key), call->line);
        }
        g_queue_push_tail(call->line, call);
}

/* Puts the message back for its handler. */
static void gate_approve(Gate *gate, Call *call)
{
        int r = sd_bus_message_rewind(call->message, true);

        g_hash_table_insert(gate->approved, call->message, call);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(gate->bus, call->message);
        if (r < 0) {
                g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                        "The service has no room for this call: %s", g_strerror(-r));

                g_hash_table_remove(gate->approved, call->message);
                call_fail(call, error);
        }
}

/* Lets go whoever may at the head of the line. By its key: an answer on the way may end the line. */
static void line_advance(Gate *gate, const char *key)
{
        GQueue *line;
        Call *call;

        while ((line = g_hash_table_lookup(gate->lines, key)) && (call = g_queue_peek_head(line)) &&
                call->state == CALL_ALLOWED) {
                g_queue_pop_head(line);
                call->line = NULL;
                gate_approve(gate, call);
        }
        if (line && g_queue_is_empty(line))
                g_hash_table_remove(gate->lines, key);
}

/* The line goes on without this call. */
static void line_leave(Gate *gate, Call *call)
{
        g_autofree char *key = line_key(call->message);

        if (!call->line)
                return;
        g_queue_remove(call->line, call);
        call->line = NULL;
        line_advance(gate, key);
}

/* Calls */

/* Counts a call. Returns: whether there was room for it. */
static bool call_hold(Call *call, Held *held, unsigned max_calls, size_t max_bytes)
{
        if (held->calls >= max_calls || held->bytes + call->size > max_bytes)
                return false;
        held->calls++;
        held->bytes += call->size;
        call->held = held;
        return true;
}

static void call_unhold(Gate *gate, Call *call)
{
        Held *held = g_steal_pointer(&call->held);

        if (!held)
                return;
        held->calls--;
        held->bytes -= call->size;
        if (held->calls == 0 && held != &call->caller->held)
                g_hash_table_remove(gate->held, GUINT_TO_POINTER(call->caller->uid));
}

/* The user's account, once it is known whose call it is. */
static bool call_hold_for_user(Gate *gate, Call *call)
{
        gpointer key = GUINT_TO_POINTER(call->caller->uid);
        bool is_root = call->caller->uid == 0, has_room;
        Held *held = g_hash_table_lookup(gate->held, key);

        call_unhold(gate, call);
        if (!held) {
                held = g_new0(Held, 1);
                g_hash_table_insert(gate->held, key, held);
        }
        has_room = call_hold(call, held, is_root ? G_MAXUINT : gate->host->settings->max_pending_calls,
                is_root ? G_MAXSIZE : USER_BYTES_MAX);
        if (held->calls == 0)
                g_hash_table_remove(gate->held, key);
        return has_room;
}

void gate_forget(Gate *gate, Call *call)
{
        if (!g_hash_table_remove(gate->calls, call))
                return;
        call_unhold(gate, call);
        line_leave(gate, call);
}

Call *gate_take(Gate *gate, sd_bus_message *m)
{
        g_assert(gate->offered && gate->offered->message == m);
        return g_steal_pointer(&gate->offered);
}

/* Refuses with a bus error of the standard or of ours, audited where the call would have changed something.
 */
static void gate_refuse(Call *call, const char *name, const char *message)
{
        (void)sd_bus_reply_method_errorf(call->message, name, "%s", message);
        if (call->row->kind == ROW_CHANGE && call->caller->is_known)
                audit_refused(call, message);
        call_free(call);
}

static void gate_refuse_error(Call *call, const GError *error)
{
        gate_refuse(call, host_error_bus_name(error->code), error->message);
}

/* Verdicts */

static void gate_allow(Gate *gate, Call *call)
{
        g_autofree char *key = line_key(call->message);

        call->state = CALL_ALLOWED;
        if (call->row->kind == ROW_CHANGE)
                audit_accepted(call);
        if (call->line)
                line_advance(gate, key);
        else
                gate_approve(gate, call);
}

static void on_verdict(Verdict verdict, const char *message, void *userdata)
{
        Call *call = userdata;
        g_autofree char *text = NULL;
        bool may_prompt = sd_bus_message_get_allow_interactive_authorization(call->message) > 0;

        call->check = NULL;
        switch (verdict) {
        case VERDICT_YES:
                gate_allow(call->gate, call);
                break;
        case VERDICT_CHALLENGE:
                if (may_prompt && call->state == CALL_CHECKING) {
                        call->state = CALL_PROMPTING;
                        line_leave(call->gate, call);
                        call->check = authority_check(call->caller->name, call->caller->uid, call->action,
                                call->details, true, on_verdict, call);
                        break;
                }
                text = g_strdup_printf("%s needs authentication (%s), and nobody can be asked here",
                        call->row->member, call->action);
                gate_refuse(call, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, text);
                break;
        case VERDICT_NO:
                text = g_strdup_printf(
                        "User %u may not call %s here (%s)", call_uid(call), call->row->member, call->action);
                gate_refuse(call, SD_BUS_ERROR_ACCESS_DENIED, text);
                break;
        case VERDICT_UNAVAILABLE:
                text = g_strdup_printf("%s is refused, since polkit cannot be asked: %s; try again later",
                        call->row->member, message);
                gate_refuse(call, host_error_bus_name(HOST_ERROR_AUTHORIZATION_UNAVAILABLE), text);
                break;
        }
}

/* Arguments */

static gboolean call_examine(Call *call, GError **error)
{
        sd_bus_message *m = call->message;

        if (call->row->kind == ROW_CHANGE &&
                !options_read_on_behalf_of(m, call->row->signature, &call->on_behalf_of, error))
                return FALSE;
        if (!call->row->examine(call, call->gate->host, sd_bus_message_get_path(m), m, error))
                return FALSE;
        return sd_bus_message_rewind(m, true) >= 0;
}

static void on_caller_known(Caller *caller, void *userdata)
{
        Call *call = userdata;
        Gate *gate = call->gate;
        g_autoptr(GError) error = NULL;

        if (!caller->is_known)
                gate_refuse(call, SD_BUS_ERROR_ACCESS_DENIED, "The bus does not tell who calls");
        else if (gate_is_outcast(gate, caller->uid))
                gate_refuse(call, SD_BUS_ERROR_ACCESS_DENIED,
                        "The users of game servers and builds may not call this service");
        else if (!call_hold_for_user(gate, call))
                gate_refuse(call, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
        else if (!call_examine(call, &error))
                gate_refuse_error(call, error);
        else if (caller->uid == 0)
                gate_allow(gate, call);
        else
                call->check = authority_check(
                        caller->name, caller->uid, call->action, call->details, false, on_verdict, call);
}

/* The filter */

static Call *call_new(Gate *gate, sd_bus_message *m, const GateRow *row, size_t size)
{
        Call *call = g_new0(Call, 1);

        call->gate = gate;
        call->message = sd_bus_message_ref(m);
        call->row = row;
        call->size = size;
        call->action = row->action;
        call->id = ++gate->last_id;
        call->details = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(call->details, g_strdup("verb"), g_strdup(row->member));
        call->caller = callers_get(gate->callers, sd_bus_message_get_sender(m));
        g_hash_table_add(gate->calls, call);
        line_join(gate, call);
        return call;
}

static int refuse_message(sd_bus_message *m, const char *name, const char *what)
{
        (void)sd_bus_reply_method_errorf(m, name, "%s (%s.%s on %.128s)", what,
                sd_bus_message_get_interface(m) ?: "no interface", sd_bus_message_get_member(m),
                sd_bus_message_get_path(m));
        return 1;
}

static bool row_fits_path(const GateRow *row, const char *path)
{
        const char *interface = gate_table_interface_of(path);

        return !g_str_has_prefix(row->interface, HOST_BUS_NAME ".") ||
               (interface && g_str_equal(interface, row->interface));
}

/* A message that has come back: its handler is next. Between the check and now its object may have gone. */
static int gate_let_through(Gate *gate, Call *call)
{
        g_autoptr(GError) error = NULL;
        sd_bus_message *m = call->message;
        const char *action = call->action;

        if (call->row->kind == ROW_READ) {
                call_free(call);
                return 0;
        }
        if (!call->row->examine(call, gate->host, sd_bus_message_get_path(m), m, &error)) {
                call_fail(call, error);
                return 1;
        }
        if (!g_str_equal(call->action, action)) {
                /* It was allowed as something else: a requester who is none any more. */
                gate_refuse(call, SD_BUS_ERROR_ACCESS_DENIED, "What this call needs has changed; call again");
                return 1;
        }
        sd_bus_message_rewind(m, true);
        if (gate->offered) {
                g_warning("Nobody has taken the call %s", gate->offered->row->member);
                call_free(gate->offered);
        }
        gate->offered = call;
        return 0;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Gate *gate = userdata;
        const GateRow *row;
        Call *call = NULL;
        const char *interface;
        size_t size;
        int r;

        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0)
                return 0;
        if (g_hash_table_steal_extended(gate->approved, m, NULL, (gpointer *)&call))
                return gate_let_through(gate, call);
        interface = sd_bus_message_get_interface(m);
        row = interface ? gate_table_find(interface, sd_bus_message_get_member(m)) : NULL;
        if (!row)
                return refuse_message(m, SD_BUS_ERROR_UNKNOWN_METHOD, "There is no such call");
        if (!object_path_is_sound(sd_bus_message_get_path(m)))
                return refuse_message(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "No object has this path");
        if (!row_fits_path(row, sd_bus_message_get_path(m)))
                return refuse_message(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "This object does not have this call");
        r = message_check_size(m, MESSAGE_MAX, &size);
        if (r == -E2BIG)
                return refuse_message(m, SD_BUS_ERROR_LIMITS_EXCEEDED, "The call is too big");
        if (r < 0 || !g_str_equal(sd_bus_message_get_signature(m, true), row->signature))
                return refuse_message(m, SD_BUS_ERROR_INVALID_ARGS, "The arguments have the wrong types");
        call = call_new(gate, m, row, size);
        if (!call->caller->is_known &&
                !call_hold(call, &call->caller->held, UNKNOWN_CALLS_MAX, UNKNOWN_BYTES_MAX))
                gate_refuse(call, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
        else
                caller_when_known(call->caller, on_caller_known, call);
        return 1;
}

/* A caller that left: questions to polkit on its behalf end, and nobody is prompted for it. */
static void on_caller_gone(Caller *caller, void *userdata)
{
        Gate *gate = userdata;
        GHashTableIter iter;
        gpointer key;
        g_autoptr(GPtrArray) left = g_ptr_array_new();

        g_hash_table_iter_init(&iter, gate->calls);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (((Call *)key)->caller == caller && ((Call *)key)->check)
                        g_ptr_array_add(left, key);
        for (guint n = 0; n < left->len; n++)
                gate_refuse(left->pdata[n], SD_BUS_ERROR_ACCESS_DENIED,
                        "The caller left the bus before polkit had decided");
}

static void find_outcasts(Gate *gate)
{
        struct passwd *user;

        gate->outcasts = g_array_new(FALSE, FALSE, sizeof(uid_t));
        g_array_append_val(gate->outcasts, gate->host->server_uid);
        user = getpwnam(USER_WATCHER);
        if (user)
                g_array_append_val(gate->outcasts, user->pw_uid);
        for (unsigned slot = 0; slot < 16; slot++) {
                g_autofree char *name = g_strdup_printf(USER_SANDBOX_PREFIX "%u", slot);

                user = getpwnam(name);
                if (user)
                        g_array_append_val(gate->outcasts, user->pw_uid);
        }
}

int gate_new(sd_bus *bus, Host *host, Gate **ret_gate)
{
        g_autoptr(Gate) gate = g_new0(Gate, 1);
        int r;

        gate->bus = bus;
        gate->host = host;
        /* Ids of calls stay apart over restarts, so that the audit's pairs do. */
        gate->last_id = host_now();
        gate->calls = g_hash_table_new(NULL, NULL);
        gate->approved = g_hash_table_new(NULL, NULL);
        gate->held = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        gate->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_queue_free);
        find_outcasts(gate);
        r = callers_new(bus, on_caller_gone, gate, &gate->callers);
        if (r >= 0)
                r = sd_bus_add_filter(bus, &gate->filter, on_message, gate);
        if (r < 0)
                return r;
        *ret_gate = g_steal_pointer(&gate);
        return 0;
}

void gate_free(Gate *gate)
{
        g_autoptr(GList) calls = NULL;

        if (!gate)
                return;
        sd_bus_slot_unref(gate->filter);
        calls = g_hash_table_get_keys(gate->calls);
        for (GList *l = calls; l; l = l->next)
                call_free(l->data);
        callers_free(gate->callers);
        g_hash_table_unref(gate->calls);
        g_hash_table_unref(gate->approved);
        g_hash_table_unref(gate->held);
        g_hash_table_unref(gate->lines);
        g_array_unref(gate->outcasts);
        g_free(gate);
}
