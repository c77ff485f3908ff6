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

int calls_append(const l4h_call *calls, size_t n_calls, sd_bus_message *m)
{
        int r = sd_bus_message_open_container(m, 'a', "(os)");
        for (size_t i = 0; r >= 0 && i < n_calls; i++) {
                _cleanup_free_ char *path = NULL;
                r = object_path(kinds[calls[i].kind].type, calls[i].name, &path);
                if (r >= 0)
                        r = sd_bus_message_append(m, "(os)", path, calls[i].method);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static l4h_answer answer_from(const char *word)
{
        return strcmp(word, HOST_CAN_YES) == 0         ? L4H_YES
               : strcmp(word, HOST_CAN_CHALLENGE) == 0 ? L4H_CHALLENGE
                                                       : L4H_NO;
}

static int answers_read(sd_bus_message *m, void *value)
{
        _cleanup_(strings_freep) char **words = NULL;
        int r = sd_bus_message_read_strv(m, &words);
        if (r < 0)
                return r;
        size_t n = 0;
        while (words && words[n])
                n++;
        l4h_answer *answers = calloc(n + 1, sizeof *answers); /* also when there are none */
        if (!answers)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                answers[i] = answer_from(words[i]);
        *(Answers *)value = (Answers){answers, n};
        return 0;
}

static void answers_done(void *value)
{
        free(((Answers *)value)->items);
}

static void answers_tell(Handler handler, l4h_host *host, int r, const void *value, void *userdata)
{
        const Answers *answers = value;
        ((l4h_answers_handler)handler)(host, r, answers->items, answers->n, userdata);
}

static const AnswerType answer_answers = {sizeof(Answers), answers_read, answers_done, answers_tell};

#define CALL_CAN(calls_, n) CALL_READ(manager, NULL, Can, .calls = (calls_), .n_calls = (n))
DEFINE_CALL_ASYNC(
        l4h_can, answers, CALL_CAN(calls, n_calls), l4h_host *host, const l4h_call *calls, size_t n_calls)

static int can_ask(l4h_host *host, const l4h_call *calls, size_t n_calls, l4h_answer *ret_answers)
{
        Answers answers;
        int r = call_wait(host, &CALL_CAN(calls, n_calls), &answer_answers, &answers);
        if (r < 0)
                return r;
        if (answers.n == n_calls)
                memcpy(ret_answers, answers.items, n_calls * sizeof *ret_answers);
        else
                r = host_fail_reply(host, -EBADMSG);
        answers_done(&answers);
        return r;
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
