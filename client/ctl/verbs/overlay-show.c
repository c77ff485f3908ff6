/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay show: overlays closely. */
#include "show.h"

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
        print_title(l4h_overlay_get_state(overlay), l4h_overlay_get_name(overlay),
                l4h_overlay_get_description(overlay));
        print_state(l4h_overlay_get_state(overlay), NULL);
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

static int show(Ctl *ctl, const char *name, json_object *array)
{
        l4h_overlay *overlay;
        if (l4h_overlay_find(ctl->host, name, &overlay) < 0)
                return ctl_fail(ctl);
        if (array) {
                json_push(array, json_overlay(overlay));
        } else {
                shown_begin(ctl);
                overlay_print(overlay);
        }
        l4h_overlay_unref(overlay);
        return EXIT_DONE;
}

static int run(Ctl *ctl, char **arguments)
{
        return each_shown(ctl, arguments, show);
}

const Verb verb_overlay_show = {
        .name = "overlay show",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAYS,
        .options = OPTION_JSON,
        .help = "Show overlays",
        .run = run,
};
