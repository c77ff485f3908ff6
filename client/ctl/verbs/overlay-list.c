/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay list: a line for each overlay. */
#include "show.h"

static void row_add(Table *table, const l4h_overlay *overlay)
{
        uint64_t generation = l4h_overlay_get_generation(overlay);
        const char *state = l4h_overlay_get_state(overlay);
        table_add(table, format("%s", l4h_overlay_get_name(overlay)));
        table_add(table, format("%s", l4h_overlay_get_kind(overlay)));
        table_add_colour(table, format("%s", state), state_colour(state));
        table_add(table, generation ? format("%" PRIu64, generation) : format("-"));
        table_add(table, generation ? format_size(l4h_overlay_get_size(overlay)) : format("-"));
        table_add(table, format_ago(l4h_overlay_get_built_at(overlay)));
        table_add(table, format_strings(l4h_overlay_get_used_by(overlay), ",", "-"));
        table_add(table, format_text(l4h_overlay_get_description(overlay)));
}

static int run(Ctl *ctl, char **arguments)
{
        static const char *const headings[] = {
                "NAME", "KIND", "STATE", "GENERATION", "SIZE", "BUILT", "USED BY", "DESCRIPTION", NULL};
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);

        _cleanup_(table_freep) Table *table = table_new(headings);
        json_object *array = json_array();
        for (size_t i = 0; i < l4h_list_count_overlays(list); i++) {
                json_push(array, json_overlay(l4h_list_get_overlay(list, i)));
                row_add(table, l4h_list_get_overlay(list, i));
        }
        list_print(ctl, table, "overlay", array);
        return EXIT_DONE;
}

const Verb verb_overlay_list = {
        .name = "overlay list",
        .arguments = "",
        .options = OPTION_JSON,
        .help = "List the overlays",
        .run = run,
};
