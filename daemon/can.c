/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "can.h"
#include "gate.h"
#include "object-path.h"
#include "turns.h"

#include "dbus/names.h"

typedef struct Can {
        Call *call;
        Turn turn;
        guint timer, step;          /* step: the next pair's, in the loop */
        GPtrArray *paths, *members; /* char * */
        GStrvBuilder *answers;
        guint next;
        Call *probe; /* stands for the call that is asked about */
        AuthorityCheck *check;
} Can;

static gboolean can_next(gpointer userdata);

static void probe_free(Call *probe)
{
        if (!probe)
                return;
        g_hash_table_unref(probe->details);
        g_free(probe);
}

/* `error`: instead of the answers, or NULL. */
static void can_finish(Can *can, const GError *error)
{
        g_auto(GStrv) answers = g_strv_builder_end(can->answers);
        Call *call = can->call;

        if (can->timer)
                g_source_remove(can->timer);
        if (can->step)
                g_source_remove(can->step);
        if (can->check)
                authority_check_cancel(can->check);
        probe_free(can->probe);
        g_ptr_array_unref(can->paths);
        g_ptr_array_unref(can->members);
        g_strv_builder_unref(can->answers);
        turn_end(&can->turn);
        g_free(can);
        if (error)
                call_fail(call, error);
        else
                call_reply_strv(call, answers);
}

/* The probe borrows the asker; it was never counted nor stood in a line. */
static Call *probe_new(Can *can, const GateRow *row)
{
        Call *probe = g_new0(Call, 1);

        probe->gate = can->call->gate;
        probe->caller = can->call->caller;
        probe->row = row;
        probe->action = row->action;
        probe->details = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(probe->details, g_strdup("verb"), g_strdup(row->member));
        return probe;
}

static void can_answer(Can *can, const char *word)
{
        g_clear_pointer(&can->probe, probe_free);
        g_strv_builder_add(can->answers, word);
        can->next++;
        /* In a turn of its own: 256 answers in a row must not pile up on the stack. */
        can->step = g_idle_add(can_next, can);
}

static void on_verdict(Verdict verdict, const char *message, void *userdata)
{
        Can *can = userdata;

        can->check = NULL;
        if (verdict == VERDICT_UNAVAILABLE) {
                /* Asking on would take a time limit for each pair. */
                g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_AUTHORIZATION_UNAVAILABLE,
                        "polkit cannot be asked: %s; try again later", message);

                can_finish(can, error);
                return;
        }
        can_answer(can, verdict == VERDICT_YES         ? HOST_CAN_YES
                        : verdict == VERDICT_CHALLENGE ? HOST_CAN_CHALLENGE
                                                       : HOST_CAN_NO);
}

static gboolean can_next(gpointer userdata)
{
        Can *can = userdata;
        Gate *gate = can->call->gate;
        const char *path, *interface;
        const GateRow *row;

        can->step = 0;
        if (can->next == can->paths->len || can->call->caller->is_gone) {
                can_finish(can, NULL);
                return G_SOURCE_REMOVE;
        }
        path = can->paths->pdata[can->next];
        interface = object_path_is_sound(path) ? gate_table_interface_of(path) : NULL;
        row = interface ? gate_table_find(interface, can->members->pdata[can->next]) : NULL;
        if (!row) {
                can_answer(can, HOST_CAN_NO);
                return G_SOURCE_REMOVE;
        }
        can->probe = probe_new(can, row);
        if (!row->examine(can->probe, gate_host(gate), path, NULL, NULL))
                can_answer(can, HOST_CAN_NO);
        else if (call_uid(can->call) == 0)
                can_answer(can, HOST_CAN_YES);
        else
                can->check = authority_check(can->call->caller->name, call_uid(can->call), can->probe->action,
                        can->probe->details, false, on_verdict, can);
        return G_SOURCE_REMOVE;
}

static void can_start(void *can)
{
        can_next(can);
}

static gboolean on_timeout(gpointer userdata)
{
        Can *can = userdata;
        g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                "Can had answered %u of %u questions after %d s; ask fewer at once, and one call after "
                "another",
                can->next, can->paths->len, CAN_TIMEOUT);

        can->timer = 0;
        can_finish(can, error);
        return G_SOURCE_REMOVE;
}

static int read_pairs(Can *can, sd_bus_message *m)
{
        const char *path, *member;
        int r = sd_bus_message_enter_container(m, 'a', "(os)");

        while (r >= 0 && (r = sd_bus_message_read(m, "(os)", &path, &member)) > 0) {
                if (can->paths->len == CAN_MAX)
                        return -E2BIG;
                g_ptr_array_add(can->paths, g_strdup(path));
                g_ptr_array_add(can->members, g_strdup(member));
        }
        return r;
}

int can_begin(Call *call)
{
        static Turns *turns;
        Can *can = g_new0(Can, 1);
        g_autoptr(GError) error = NULL;

        if (!turns)
                turns = turns_new(G_MAXUINT, 1);
        can->call = call;
        can->paths = g_ptr_array_new_with_free_func(g_free);
        can->members = g_ptr_array_new_with_free_func(g_free);
        can->answers = g_strv_builder_new();
        if (read_pairs(can, call->message) < 0) {
                error = g_error_new(HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                        "Can answers at most %d questions at once; ask in several calls", CAN_MAX);
                can_finish(can, error);
                return 1;
        }
        can->timer = g_timeout_add_seconds(CAN_TIMEOUT, on_timeout, can);
        turn_take(turns, &can->turn, call_uid(call), can_start, can);
        return 1;
}
