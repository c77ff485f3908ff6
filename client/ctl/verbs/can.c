/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* can: which call of which object this user may make. Objects are called "host", "instance/arena",
 * "overlay/maps", "job/7" here, as the ends of their paths on the bus are. */
#include "dbus/names.h"
#include "show.h"

static const struct {
        l4h_kind kind;
        const char *prefix;
} kinds[] = {{L4H_INSTANCE, "instance/"}, {L4H_OVERLAY, "overlay/"}, {L4H_JOB, "job/"}};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

typedef struct Calls {
        l4h_call *items;
        char **names; /* of the items */
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

/* Returns: EXIT_DONE, or EXIT_USAGE after a sentence. */
static int calls_add_named(Calls *calls, const char *object)
{
        if (strcmp(object, "host") == 0) {
                calls_add(calls, L4H_MANAGER, "");
                return EXIT_DONE;
        }
        for (size_t i = 0; i < N_KINDS; i++) {
                const char *prefix = kinds[i].prefix;
                if (strncmp(object, prefix, strlen(prefix)) == 0) {
                        calls_add(calls, kinds[i].kind, object + strlen(prefix));
                        return EXIT_DONE;
                }
        }
        return usage_fail("'%s' is no object: say host, instance/NAME, overlay/NAME or job/ID.", object);
}

static int calls_gather(Ctl *ctl, Calls *calls, char **objects)
{
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        int status = EXIT_DONE;
        for (char **object = objects; *object && status == EXIT_DONE; object++)
                status = calls_add_named(calls, *object);
        if (*objects)
                return status;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);
        calls_add_all(calls, list);
        return EXIT_DONE;
}

static char *object_format(const l4h_call *call)
{
        for (size_t i = 0; i < N_KINDS; i++)
                if (kinds[i].kind == call->kind)
                        return format("%s%s", kinds[i].prefix, call->name);
        return format("host");
}

static json_object *answer_json(const l4h_call *call, l4h_answer answer)
{
        static const char *const words[] = {
                [L4H_NO] = HOST_CAN_NO, [L4H_CHALLENGE] = HOST_CAN_CHALLENGE, [L4H_YES] = HOST_CAN_YES};
        _cleanup_free_ char *object = object_format(call);
        json_object *o = must(json_object_new_object());
        json_add(o, "Object", json_text(object));
        json_add(o, "Method", json_text(call->method));
        json_add(o, "Answer", json_text(words[answer]));
        return o;
}

static void answer_add(Table *table, const l4h_call *call, l4h_answer answer)
{
        static const char *const words[] = {
                [L4H_NO] = "no", [L4H_CHALLENGE] = "after authentication", [L4H_YES] = "yes"};
        static const Colour colours[] = {
                [L4H_NO] = COLOUR_RED, [L4H_CHALLENGE] = COLOUR_YELLOW, [L4H_YES] = COLOUR_GREEN};
        table_add(table, object_format(call));
        table_add(table, format("%s", call->method));
        table_add_colour(table, format("%s", words[answer]), colours[answer]);
}

static int run(Ctl *ctl, char **arguments)
{
        _cleanup_(calls_done) Calls calls = {0};
        int status = calls_gather(ctl, &calls, arguments);
        if (status != EXIT_DONE)
                return status;
        _cleanup_free_ l4h_answer *answers = must(calloc(calls.n, sizeof *answers));
        if (l4h_can(ctl->host, calls.items, calls.n, answers) < 0)
                return ctl_fail(ctl);

        static const char *const headings[] = {"OBJECT", "METHOD", "ANSWER", NULL};
        _cleanup_(table_freep) Table *table = table_new(headings);
        json_object *array = json_array();
        for (size_t i = 0; i < calls.n; i++) {
                json_push(array, answer_json(&calls.items[i], answers[i]));
                answer_add(table, &calls.items[i], answers[i]);
        }
        list_print(ctl, table, "call", array);
        return EXIT_DONE;
}

const Verb verb_can = {
        .name = "can",
        .arguments = "[OBJECT...]",
        .max = ANY,
        .first = WORDS_OBJECTS,
        .others = WORDS_OBJECTS,
        .options = OPTION_JSON,
        .help = "Show what you may do",
        .details = "An OBJECT is host, instance/NAME, overlay/NAME or job/ID; without any, all are\n"
                   "shown.\n",
        .run = run,
};
