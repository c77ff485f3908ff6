/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* can: which call of which object this user may make. */
#include "ctl.h"

typedef struct Calls {
        l4h_call *items;
        char **names; /* of jobs, which have numbers only */
        size_t n;
} Calls;

static void calls_done(Calls *calls)
{
        for (size_t i = 0; i < calls->n; i++)
                free(calls->names[i]);
        free(calls->items);
        free(calls->names);
}

/* Adds every method of an object. */
static void calls_add(Calls *calls, l4h_kind kind, const char *name)
{
        for (const char *const *method = l4h_kind_get_methods(kind); *method; method++) {
                calls->items = must(reallocarray(calls->items, calls->n + 1, sizeof *calls->items));
                calls->names = must(reallocarray(calls->names, calls->n + 1, sizeof *calls->names));
                char *copy = format("%s", name);
                calls->names[calls->n] = copy;
                calls->items[calls->n++] = (l4h_call){kind, copy, *method};
        }
}

static void calls_add_all(Calls *calls, const l4h_list *list)
{
        calls_add(calls, L4H_MANAGER, "");
        for (size_t i = 0; i < l4h_list_count_instances(list); i++)
                calls_add(calls, L4H_INSTANCE, l4h_instance_get_name(l4h_list_get_instance(list, i)));
        for (size_t i = 0; i < l4h_list_count_overlays(list); i++)
                calls_add(calls, L4H_OVERLAY, l4h_overlay_get_name(l4h_list_get_overlay(list, i)));
        for (size_t i = 0; i < l4h_list_count_jobs(list); i++) {
                const l4h_job *job = l4h_list_get_job(list, i);
                _cleanup_free_ char *id = format("%" PRIu64, l4h_job_get_id(job));
                if (!l4h_job_is_finished(job))
                        calls_add(calls, L4H_JOB, id);
        }
}

int verb_can(Ctl *ctl, char **arguments)
{
        l4h_list *list;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);
        _cleanup_(calls_done) Calls calls = {0};
        calls_add_all(&calls, list);
        l4h_list_unref(list);

        _cleanup_free_ l4h_answer *answers = must(calloc(calls.n, sizeof *answers));
        if (l4h_can(ctl->host, calls.items, calls.n, answers) < 0)
                return ctl_fail(ctl);

        static const char *const headings[] = {"OBJECT", "METHOD", "ANSWER", NULL};
        static const char *const kinds[] = {[L4H_MANAGER] = "host",
                [L4H_INSTANCE] = "instance ",
                [L4H_OVERLAY] = "overlay ",
                [L4H_JOB] = "job "};
        static const char *const words[] = {
                [L4H_NO] = "no", [L4H_CHALLENGE] = "after authentication", [L4H_YES] = "yes"};
        _cleanup_(table_freep) Table *table = table_new(headings);
        for (size_t i = 0; i < calls.n; i++) {
                table_add(table, format("%s%s", kinds[calls.items[i].kind], calls.items[i].name));
                table_add(table, format("%s", calls.items[i].method));
                table_add(table, format("%s", words[answers[i]]));
        }
        table_print(table, ctl);
        return EXIT_DONE;
}
