/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this caller may do. */
#include "internal.h"
#include <errno.h>
#include <string.h>

/* The service takes 256; a chunk must be answered before the call times out. */
#define CALLS_AT_ONCE 128

#define X(name) name,
static const char *const manager_methods[] = {HOST_MANAGER_METHODS(X) NULL};
static const char *const instance_methods[] = {HOST_INSTANCE_METHODS(X) NULL};
static const char *const overlay_methods[] = {HOST_OVERLAY_METHODS(X) NULL};
static const char *const job_methods[] = {HOST_JOB_METHODS(X) NULL};
#undef X

static const struct {
        const ObjectType *type;
        const char *const *methods;
} kinds[] = {
        [L4H_MANAGER] = {&manager_type, manager_methods},
        [L4H_INSTANCE] = {&instance_type, instance_methods},
        [L4H_OVERLAY] = {&overlay_type, overlay_methods},
        [L4H_JOB] = {&job_type, job_methods},
};

const char *const *l4h_kind_get_methods(l4h_kind kind)
{
        return kinds[kind].methods;
}

static int call_append(sd_bus_message *m, const l4h_call *call)
{
        _cleanup_free_ char *path = NULL;
        int r = object_path(kinds[call->kind].type, call->name, &path);
        return r < 0 ? r : sd_bus_message_append(m, "(os)", path, call->method);
}

static int answers_read(sd_bus_message *reply, size_t n, l4h_answer *answers)
{
        int r = sd_bus_message_enter_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char *word;
                r = sd_bus_message_read_basic(reply, 's', &word);
                if (r == 0)
                        r = -EBADMSG;
                if (r > 0)
                        answers[i] = strcmp(word, HOST_CAN_YES) == 0         ? L4H_YES
                                     : strcmp(word, HOST_CAN_CHALLENGE) == 0 ? L4H_CHALLENGE
                                                                             : L4H_NO;
        }
        return r;
}

static int can_ask(l4h_host *host, const l4h_call *calls, size_t n_calls, l4h_answer *ret_answers)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(
                host->bus, &m, HOST_BUS_NAME, HOST_PATH, HOST_IFACE_MANAGER, HOST_MEMBER_Can);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(os)");
        for (size_t i = 0; r >= 0 && i < n_calls; i++)
                r = call_append(m, &calls[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return host_fail(host, r, "The calls to ask about cannot be put together: %s.", strerror(-r));

        r = call_send(host, m, &reply);
        if (r < 0)
                return r;
        r = answers_read(reply, n_calls, ret_answers);
        return r < 0 ? host_fail_reply(host, r) : 0;
}

int l4h_can(l4h_host *host, const l4h_call *calls, size_t n_calls, l4h_answer *ret_answers)
{
        for (size_t done = 0; done < n_calls;) {
                size_t n = n_calls - done < CALLS_AT_ONCE ? n_calls - done : CALLS_AT_ONCE;
                int r = can_ask(host, calls + done, n, ret_answers + done);
                if (r < 0)
                        return r;
                done += n;
        }
        return 0;
}
