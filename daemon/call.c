/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "audit.h"
#include "gate.h"
#include "job.h"
#include "sd-autoptr.h"

#include "dbus/names.h"

uid_t call_uid(const Call *call)
{
        return call->caller->is_known ? call->caller->uid : (uid_t)-1;
}

Call *call_take(Gate *gate, sd_bus_message *m)
{
        return gate_take(gate, m);
}

void call_free(Call *call)
{
        gate_forget(call->gate, call);
        if (call->check)
                authority_check_cancel(call->check);
        caller_unref(call->caller);
        g_hash_table_unref(call->details);
        sd_bus_message_unref(call->message);
        g_free(call->on_behalf_of);
        g_free(call);
}

/* Sends the answer, and ends the call. A caller that is gone gets nothing, and that is no fault. */
static int call_end(Call *call, sd_bus_message *answer, const char *outcome, const char *job)
{
        int r = answer ? sd_bus_message_send(answer) : 0;

        if (r < 0 && r != -ENOTCONN)
                g_warning("Cannot answer %s: %s", call->row->member, g_strerror(-r));
        if (call->row->kind == ROW_CHANGE)
                audit_finished(call, outcome, job);
        call_free(call);
        return 1;
}

int call_reply(Call *call)
{
        g_autoptr(sd_bus_message) answer = NULL;

        (void)sd_bus_message_new_method_return(call->message, &answer);
        return call_end(call, answer, "success", NULL);
}

static int end_made(Call *call, sd_bus_message *answer, int r, const char *job)
{
        if (r < 0)
                g_warning("Cannot make the answer to %s: %s", call->row->member, g_strerror(-r));
        return call_end(call, r < 0 ? NULL : answer, "success", job);
}

int call_reply_message(Call *call, sd_bus_message *answer, int r)
{
        return end_made(call, answer, r, NULL);
}

int call_reply_strv(Call *call, char **strings)
{
        g_autoptr(sd_bus_message) answer = NULL;
        int r = sd_bus_message_new_method_return(call->message, &answer);

        if (r >= 0)
                r = sd_bus_message_append_strv(answer, strings);
        return end_made(call, answer, r, NULL);
}

static int reply_path(Call *call, const char *prefix, const char *id, bool is_job)
{
        g_autoptr(sd_bus_message) answer = NULL;
        g_autofree char *path = NULL;
        int r = sd_bus_path_encode(prefix, id, &path);

        if (r >= 0)
                r = sd_bus_message_new_method_return(call->message, &answer);
        if (r >= 0)
                r = sd_bus_message_append(answer, "o", path);
        return end_made(call, answer, r, is_job ? path : NULL);
}

int call_reply_path(Call *call, const char *prefix, const char *id)
{
        return reply_path(call, prefix, id, false);
}

int call_reply_job(Call *call, const Job *job)
{
        return reply_path(call, HOST_JOB_PREFIX, job->id, true);
}

int call_fail(Call *call, const GError *error)
{
        g_autoptr(sd_bus_message) answer = NULL;
        /* What is no text cannot cross the bus, and no answer would: bytes of a file may be in it. */
        g_autofree char *text = g_utf8_make_valid(error->message, -1);
        const char *name =
                error->domain == HOST_ERROR ? host_error_bus_name(error->code) : SD_BUS_ERROR_FAILED;

        (void)sd_bus_message_new_method_errorf(call->message, &answer, name, "%s", text);
        return call_end(call, answer, name, NULL);
}

void call_done(const GError *error, void *userdata)
{
        if (error)
                call_fail(userdata, error);
        else
                call_reply(userdata);
}
