/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How calls are put together, sent and waited for. */
#include "internal.h"
#include <errno.h>
#include <string.h>

/* The service answers within 20 s of the call's being allowed; but somebody may have to type a password, and
 * the call of a mount unit waits for the disk. */
#define CALL_TIMEOUT_USEC (2 * 60 * UINT64_C(1000000))

static int call_append_options(l4h_host *host, sd_bus_message *m, const Call *call)
{
        int r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && call->settings)
                r = settings_append(call->settings, m);
        if (r >= 0 && call->replaces)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_REPLACE, "b", 1);
        if (r >= 0 && call->file_name)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_FILE_NAME, "s", call->file_name);
        if (r >= 0 && call->log)
                r = log_options_append(call->log, m);
        if (r >= 0 && host->on_behalf_of)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_ON_BEHALF_OF, "s", host->on_behalf_of);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r;
}

static int call_append(l4h_host *host, sd_bus_message *m, const Call *call)
{
        int r = 0;
        for (size_t i = 0; r >= 0 && i < 2 && call->strings[i]; i++)
                r = sd_bus_message_append(m, "s", call->strings[i]);
        if (r >= 0 && call->fd)
                r = sd_bus_message_append(m, "h", *call->fd);
        if (r >= 0 && call->number)
                r = sd_bus_message_append(m, "t", *call->number);
        if (r >= 0 && call->max)
                r = sd_bus_message_append(m, "u", *call->max);
        if (r >= 0 && call->calls)
                r = calls_append(call->calls, call->n_calls, m);
        if (r >= 0 && call->has_options)
                r = call_append_options(host, m, call);
        return r;
}

static int fail_build(l4h_host *host, int r)
{
        /* sd-bus refuses nothing else of what gets here. */
        if (r == -EINVAL)
                return host_fail(host, r, "Names, settings and texts must be valid UTF-8 without NUL bytes.");
        if (r == -EOPNOTSUPP)
                return host_fail_files(host);
        return host_fail(host, r, "The call cannot be put together: %s.", strerror(-r));
}

/* The answer is a file, which would be lost on the way; asked of a connection that is still being made, the
 * question would wait for it. */
static bool call_is_in_vain(l4h_host *host, const Call *call, bool may_wait)
{
        return call->log && (may_wait || sd_bus_is_ready(host->bus) > 0) &&
               sd_bus_can_send(host->bus, SD_BUS_TYPE_UNIX_FD) == 0;
}

static int call_new(l4h_host *host, const Call *call, bool may_wait, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = NULL;
        int r = object_path(call->type, call->name, &path);
        if (r >= 0)
                r = sd_bus_message_new_method_call(host->bus, &m, HOST_BUS_NAME, path,
                        call->interface ? call->interface : call->type->interface, call->member);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, host->is_interactive);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, !host->is_left_alone);
        if (r >= 0)
                r = call_append(host, m, call);
        if (r >= 0 && call_is_in_vain(host, call, may_wait))
                r = -EOPNOTSUPP;
        if (r < 0)
                return fail_build(host, r);
        *ret = m;
        m = NULL;
        return 0;
}

static void done_tell(Handler handler, l4h_host *host, int r, const void *value, void *userdata)
{
        ((l4h_done_handler)handler)(host, r, userdata);
}

const AnswerType answer_done = {.tell = done_tell};

int call_wait(l4h_host *host, const Call *call, const AnswerType *answer, void *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_error_free(&host->error);
        int r = call_new(host, call, true, &m);
        if (r < 0)
                return r;
        r = sd_bus_call(host->bus, m, CALL_TIMEOUT_USEC, &error, &reply);
        if (r < 0)
                return host_fail_call(host, m, &error);

        Value value = {0};
        if (answer->read)
                r = answer->read(reply, &value);
        if (r < 0)
                return host_fail_reply(host, r);
        if (ret)
                memcpy(ret, &value, answer->size);
        else if (answer->done)
                answer->done(&value);
        return 0;
}

/* What an asynchronous call must know when it is answered. */
typedef struct Pending {
        const AnswerType *answer;
        sd_bus_message *call;
} Pending;

static void pending_free(void *state)
{
        Pending *pending = state;
        sd_bus_message_unref(pending->call);
        free(pending);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        l4h_slot *slot = l4h_slot_ref(userdata);
        l4h_host *host = l4h_ref(slot->host);
        const Pending *pending = slot->state;
        const AnswerType *answer = pending->answer;
        Value value = {0};
        int r = 0;

        sd_bus_error_free(&host->error);
        if (sd_bus_message_is_method_error(reply, NULL)) {
                r = host_fail_call(host, pending->call, sd_bus_message_get_error(reply));
        } else if (answer->read) {
                r = answer->read(reply, &value);
                if (r < 0)
                        (void)host_fail_reply(host, r);
        }
        slot_end(slot);
        answer->tell(slot->handler, host, r < 0 ? r : 0, &value, slot->userdata);
        if (r >= 0 && answer->done)
                answer->done(&value);
        l4h_slot_unref(slot);
        l4h_unref(host);
        return 0;
}

int call_begin(l4h_host *host, const Call *call, const AnswerType *answer, Handler handler, void *userdata,
        l4h_slot **ret_slot)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error_free(&host->error);
        int r = call_new(host, call, false, &m);
        if (r < 0)
                return r;

        Pending *pending = calloc(1, sizeof *pending);
        _cleanup_(slot_unrefp) l4h_slot *slot = NULL;
        r = slot_new(host, handler, userdata, pending, pending_free, &slot);
        if (r < 0)
                return r;
        *pending = (Pending){answer, sd_bus_message_ref(m)};
        r = sd_bus_call_async(host->bus, &slot->bus_slots[0], m, on_answer, slot, CALL_TIMEOUT_USEC);
        if (r < 0) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                (void)sd_bus_error_set_errno(&error, r);
                return host_fail_call(host, m, &error);
        }
        slot_give(slot, ret_slot);
        slot = NULL;
        return 0;
}
