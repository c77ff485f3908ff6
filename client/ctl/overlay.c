/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay list, overlay show, overlay revert. */
#include "ctl.h"

int verb_overlay_list(Ctl *ctl, char **arguments)
{
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);

        static const char *const headings[] = {
                "NAME", "KIND", "STATE", "GENERATION", "SIZE", "BUILT", "USED BY", "DESCRIPTION", NULL};
        _cleanup_(table_freep) Table *table = table_new(headings);
        for (size_t i = 0; i < l4h_list_count_overlays(list); i++) {
                const l4h_overlay *overlay = l4h_list_get_overlay(list, i);
                uint64_t generation = l4h_overlay_get_generation(overlay);
                table_add(table, format("%s", l4h_overlay_get_name(overlay)));
                table_add(table, format("%s", l4h_overlay_get_kind(overlay)));
                table_add(table, format("%s", l4h_overlay_get_state(overlay)));
                table_add(table, generation ? format("%" PRIu64, generation) : format("-"));
                table_add(table, generation ? format_size(l4h_overlay_get_size(overlay)) : format("-"));
                table_add(table, format_time(l4h_overlay_get_built_at(overlay)));
                table_add(table, format_strings(l4h_overlay_get_used_by(overlay), ",", "-"));
                table_add(table, format_text(l4h_overlay_get_description(overlay)));
        }
        table_print(table, ctl);
        return EXIT_DONE;
}

static void generations_print(const l4h_overlay *overlay)
{
        for (size_t i = l4h_overlay_count_generations(overlay); i > 0; i--) {
                l4h_generation generation = l4h_overlay_get_generation_at(overlay, i - 1);
                _cleanup_free_ char *built = format_time(generation.built_at),
                                    *size = format_size(generation.size);
                print_field(generation.number == l4h_overlay_get_generation(overlay) ? "Current" : "Kept",
                        format("generation %" PRIu64 ", built %s, %s, digest %s", generation.number, built,
                                size, generation.digest));
        }
}

static void overlay_print(const l4h_overlay *overlay)
{
        _cleanup_free_ char *description = format_text(l4h_overlay_get_description(overlay));
        printf("%s%s%s\n", l4h_overlay_get_name(overlay), *description ? " - " : "", description);
        print_field("State", format("%s", l4h_overlay_get_state(overlay)));
        print_field("Id", format("%" PRIu64, l4h_overlay_get_id(overlay)));
        print_field("Kind", format("%s", l4h_overlay_get_kind(overlay)));
        generations_print(overlay);
        if (l4h_overlay_get_generation(overlay) != 0)
                print_field("Files", format("%" PRIu64, l4h_overlay_get_files(overlay)));
        if (l4h_overlay_get_time_limit(overlay) != 0)
                print_field("Time limit", format_span(l4h_overlay_get_time_limit(overlay)));
        if (l4h_overlay_get_size_limit(overlay) != 0)
                print_field("Size limit", format_size(l4h_overlay_get_size_limit(overlay)));
        if (l4h_overlay_get_file_limit(overlay) != 0)
                print_field("File limit", format("%" PRIu64, l4h_overlay_get_file_limit(overlay)));
        if (l4h_overlay_get_keep_generations(overlay) != 0)
                print_field("Keeps",
                        format("%" PRIu32 " generations", l4h_overlay_get_keep_generations(overlay)));
        if (l4h_overlay_get_last_job(overlay) != 0)
                print_field("Last job", format("%" PRIu64, l4h_overlay_get_last_job(overlay)));
        print_field("Used by", format_strings(l4h_overlay_get_used_by(overlay), ", ", "-"));
}

int verb_overlay_show(Ctl *ctl, char **arguments)
{
        int status = EXIT_DONE;
        for (char **name = arguments; *name; name++) {
                l4h_overlay *overlay;
                if (l4h_overlay_find(ctl->host, *name, &overlay) < 0) {
                        status = ctl_fail(ctl);
                        continue;
                }
                if (name > arguments)
                        putchar('\n');
                overlay_print(overlay);
                l4h_overlay_unref(overlay);
        }
        return status;
}

int verb_overlay_revert(Ctl *ctl, char **arguments)
{
        uint64_t generation;
        if (!number_parse(arguments[1], UINT64_MAX, &generation, NULL))
                return usage_fail("'%s' is not the number of a generation.", arguments[1]);
        return l4h_overlay_revert(ctl->host, arguments[0], generation) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}
