/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instance, closely. */
#include "dbus/names.h"
#include "status.h"

#define LOG_LINES 10 /* as systemctl(1) has them */

/* From top to bottom, a line for each. */
static void layers_print(const l4h_instance *instance)
{
        if (!l4h_instance_is_mounted(instance))
                print_field("Layers", format("not mounted"));
        for (size_t i = 0; i < l4h_instance_count_layers(instance); i++)
                print_field(i == 0 ? "Layers" : "",
                        format("%s (generation %" PRIu64 ")", l4h_instance_get_layer_overlay(instance, i),
                                l4h_instance_get_layer_generation(instance, i)));
}

static uint64_t generation_find(const l4h_list *list, const char *name)
{
        for (size_t i = 0; i < l4h_list_count_overlays(list); i++)
                if (strcmp(l4h_overlay_get_name(l4h_list_get_overlay(list, i)), name) == 0)
                        return l4h_overlay_get_generation(l4h_list_get_overlay(list, i));
        return 0;
}

/* Whether other overlays are mounted than are listed, the game below them. */
static bool has_other_overlays(const l4h_instance *instance)
{
        const char *const *overlays = l4h_instance_get_overlays(instance);
        size_t n = l4h_instance_count_layers(instance);
        for (size_t i = 0; i < n; i++, overlays += *overlays != NULL)
                if (strcmp(l4h_instance_get_layer_overlay(instance, i),
                            *overlays ? *overlays : HOST_GAME_OVERLAY) != 0)
                        return true;
        return *overlays != NULL;
}

/* What is newer than what is mounted, a line for each. */
static void outdated_print(const l4h_instance *instance, const l4h_list *list)
{
        const char *label = "Outdated";
        for (size_t i = 0; i < l4h_instance_count_layers(instance); i++) {
                const char *overlay = l4h_instance_get_layer_overlay(instance, i);
                uint64_t current = generation_find(list, overlay);
                if (current == 0 || current == l4h_instance_get_layer_generation(instance, i))
                        continue;
                print_field(label, format("%s has generation %" PRIu64 " now", overlay, current));
                label = "";
        }
        if (has_other_overlays(instance)) {
                _cleanup_free_ char *names =
                        format_strings(l4h_instance_get_overlays(instance), ", ", HOST_GAME_OVERLAY " alone");
                print_field(label, format("its overlays are %s now", names));
                label = "";
        }
        if (*label)
                print_field(label, format("its settings were changed"));
        print_field("", format("'l4d2ctl restart %s' brings what is new", l4h_instance_get_name(instance)));
}

static void state_print(const l4h_instance *instance)
{
        _cleanup_free_ char *since = format_time(l4h_instance_get_started_at(instance)),
                            *ago = format_ago(l4h_instance_get_started_at(instance));
        print_state(l4h_instance_get_active_state(instance), l4h_instance_get_sub_state(instance));
        if (l4h_instance_get_started_at(instance) != 0)
                print_field("Started", format("%s; %s", since, ago));
        if (strcmp(l4h_instance_get_result(instance), "success") != 0)
                print_field("Result", format("%s", l4h_instance_get_result(instance)));
        if (*l4h_instance_get_message(instance))
                print_field("Message", format_text(l4h_instance_get_message(instance)));
}

static void process_print(Ctl *ctl, const l4h_instance *instance)
{
        if (l4h_instance_get_main_pid(instance) == 0)
                return;
        print_field("Main PID", format("%d", (int)l4h_instance_get_main_pid(instance)));
        if (l4h_instance_get_n_restarts(instance) != 0)
                print_field(
                        "Restarts", format("%" PRIu32 " by systemd", l4h_instance_get_n_restarts(instance)));
        resources_print(ctl, l4h_instance_get_unit(instance));
}

void instance_print(Ctl *ctl, const l4h_instance *instance, const l4h_list *list)
{
        print_title(l4h_instance_get_active_state(instance), l4h_instance_get_name(instance),
                l4h_instance_get_description(instance));
        target_print(ctl);
        state_print(instance);
        print_field("Address", format("%s", l4h_instance_get_address(instance)));
        print_field("At boot", format("%s", l4h_instance_is_enabled(instance) ? "started" : "stopped"));
        print_field("Unit", format("%s", l4h_instance_get_unit(instance)));
        process_print(ctl, instance);
        print_field("Arguments", format_strings(l4h_instance_get_arguments(instance), " ", "-"));
        print_field("Overlays", format_strings(l4h_instance_get_overlays(instance), ", ", "-"));
        layers_print(instance);
        if (l4h_instance_is_outdated(instance))
                outdated_print(instance, list);
        log_print_last(ctl, l4h_instance_get_name(instance), LOG_LINES);
}
