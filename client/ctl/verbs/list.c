/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: a line for each instance. */
#include "show.h"

static void row_add(const Ctl *ctl, Table *table, const l4h_instance *instance)
{
        const char *state = l4h_instance_get_active_state(instance);
        if (has_several_targets(ctl))
                table_add(table, format("%s", ctl->target->where));
        table_add(table, format("%s", l4h_instance_get_name(instance)));
        table_add(table, format("%s", l4h_instance_get_address(instance)));
        table_add_colour(table,
                format("%s (%s)%s", state, l4h_instance_get_sub_state(instance),
                        l4h_instance_is_outdated(instance) ? " outdated" : ""),
                state_colour(state));
        table_add(table, format("%s", l4h_instance_is_enabled(instance) ? "started" : "stopped"));
        table_add(table, format("%s", l4h_instance_is_mounted(instance) ? "yes" : "no"));
        table_add(table, format_strings(l4h_instance_get_overlays(instance), ",", "-"));
        table_add(table, format_text(l4h_instance_get_description(instance)));
}

typedef struct Gathered {
        Table *table;
        json_object *array;
} Gathered;

static int gather(Ctl *ctl, void *userdata)
{
        Gathered *gathered = userdata;
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);
        for (size_t i = 0; i < l4h_list_count_instances(list); i++) {
                const l4h_instance *instance = l4h_list_get_instance(list, i);
                json_push(gathered->array, json_of_target(ctl, json_instance(instance)));
                row_add(ctl, gathered->table, instance);
        }
        return EXIT_DONE;
}

static int run(Ctl *ctl, char **arguments)
{
        static const char *const headings[] = {
                "HOST", "NAME", "ADDRESS", "STATE", "AT BOOT", "MOUNTED", "OVERLAYS", "DESCRIPTION", NULL};
        _cleanup_(table_freep) Table *table = table_new(headings + (has_several_targets(ctl) ? 0 : 1));
        Gathered gathered = {table, json_array()};
        int status = each_target(ctl, gather, &gathered);
        if (status == EXIT_DONE || has_several_targets(ctl))
                list_print(ctl, table, "instance", gathered.array);
        else
                json_object_put(gathered.array);
        return status;
}

const Verb verb_list = {
        .name = "list",
        .arguments = "",
        .options = OPTION_JSON | OPTION_HOSTS,
        .help = "List the instances",
        .run = run,
};
