/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: instances closely, or the host. */
#include "status.h"
#include "show.h"

typedef struct Wanted {
        char **names;
        json_object *array; /* NULL: print it for people */
} Wanted;

static int host_show(Ctl *ctl, Wanted *wanted)
{
        l4h_manager *manager;
        if (l4h_manager_find(ctl->host, &manager) < 0)
                return ctl_fail(ctl);
        if (wanted->array) {
                json_push(wanted->array, json_of_target(ctl, json_manager(manager)));
        } else {
                shown_begin(ctl);
                host_print(ctl, manager);
        }
        l4h_manager_unref(manager);
        return EXIT_DONE;
}

static int instance_show(Ctl *ctl, Wanted *wanted, const char *name, const l4h_list *list)
{
        l4h_instance *instance;
        if (l4h_instance_find(ctl->host, name, &instance) < 0)
                return ctl_fail(ctl);
        if (wanted->array) {
                json_push(wanted->array, json_of_target(ctl, json_instance(instance)));
        } else {
                shown_begin(ctl);
                instance_print(ctl, instance, list);
        }
        l4h_instance_unref(instance);
        return EXIT_DONE;
}

static int target_show(Ctl *ctl, void *userdata)
{
        Wanted *wanted = userdata;
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (!*wanted->names)
                return host_show(ctl, wanted);
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);
        int status = EXIT_DONE;
        for (char **name = wanted->names; *name; name++)
                if (instance_show(ctl, wanted, *name, list) != EXIT_DONE)
                        status = EXIT_FAILED;
        return status;
}

static int run(Ctl *ctl, char **arguments)
{
        Wanted wanted = {arguments, ctl->json != JSON_OFF ? json_array() : NULL};
        int status = each_target(ctl, target_show, &wanted);
        if (wanted.array)
                shown_print(wanted.array, ctl);
        return status;
}

const Verb verb_status = {
        .name = "status",
        .arguments = "[NAME...]",
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .options = OPTION_JSON | OPTION_HOSTS,
        .help = "Show instances, or the host",
        .run = run,
};
