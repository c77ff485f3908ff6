/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and status: instances, and the host. */
#include "ctl.h"

int verb_list(Ctl *ctl, char **arguments)
{
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);

        static const char *const headings[] = {
                "NAME", "ADDRESS", "STATE", "AT BOOT", "MOUNTED", "OVERLAYS", "DESCRIPTION", NULL};
        _cleanup_(table_freep) Table *table = table_new(headings);
        for (size_t i = 0; i < l4h_list_count_instances(list); i++) {
                const l4h_instance *instance = l4h_list_get_instance(list, i);
                table_add(table, format("%s", l4h_instance_get_name(instance)));
                table_add(table, format("%s", l4h_instance_get_address(instance)));
                table_add(table, format("%s (%s)%s", l4h_instance_get_active_state(instance),
                                         l4h_instance_get_sub_state(instance),
                                         l4h_instance_is_outdated(instance) ? " outdated" : ""));
                table_add(table, format("%s", l4h_instance_is_enabled(instance) ? "started" : "stopped"));
                table_add(table, format("%s", l4h_instance_is_mounted(instance) ? "yes" : "no"));
                table_add(table, format_strings(l4h_instance_get_overlays(instance), ",", "-"));
                table_add(table, format_text(l4h_instance_get_description(instance)));
        }
        table_print(table, ctl);
        return EXIT_DONE;
}

static char *layers_format(const l4h_instance *instance)
{
        char *layers = format("%s", "");
        for (size_t i = 0; i < l4h_instance_count_layers(instance); i++) {
                char *longer = format("%s%s%s (generation %" PRIu64 ")", layers, i > 0 ? ", " : "",
                        l4h_instance_get_layer_overlay(instance, i),
                        l4h_instance_get_layer_generation(instance, i));
                free(layers);
                layers = longer;
        }
        return layers;
}

static void process_print(const l4h_instance *instance)
{
        if (l4h_instance_get_started_at(instance) != 0)
                print_field("Started", format_time(l4h_instance_get_started_at(instance)));
        if (l4h_instance_get_main_pid(instance) != 0)
                print_field("Main PID", format("%d", (int)l4h_instance_get_main_pid(instance)));
        if (l4h_instance_get_n_restarts(instance) != 0)
                print_field(
                        "Restarts", format("%" PRIu32 " by systemd", l4h_instance_get_n_restarts(instance)));
}

static void instance_print(const l4h_instance *instance)
{
        _cleanup_free_ char *description = format_text(l4h_instance_get_description(instance));
        printf("%s%s%s\n", l4h_instance_get_name(instance), *description ? " - " : "", description);
        print_field("State", format("%s (%s)", l4h_instance_get_active_state(instance),
                                     l4h_instance_get_sub_state(instance)));
        if (strcmp(l4h_instance_get_result(instance), "success") != 0)
                print_field("Result", format("%s", l4h_instance_get_result(instance)));
        if (*l4h_instance_get_message(instance))
                print_field("Message", format_text(l4h_instance_get_message(instance)));
        process_print(instance);
        print_field("Address", format("%s", l4h_instance_get_address(instance)));
        print_field("At boot", format("%s", l4h_instance_is_enabled(instance) ? "started" : "stopped"));
        print_field("Unit", format("%s", l4h_instance_get_unit(instance)));
        print_field("Arguments", format_strings(l4h_instance_get_arguments(instance), " ", "-"));
        print_field("Overlays", format_strings(l4h_instance_get_overlays(instance), ", ", "-"));
        print_field("Mounted", l4h_instance_is_mounted(instance) ? layers_format(instance) : format("no"));
        if (l4h_instance_is_outdated(instance))
                print_field("Outdated", format("yes, a restart brings what is new"));
}

static void host_print(const l4h_manager *manager)
{
        puts("left4me-hostd");
        print_field("Version", format("%s", l4h_manager_get_version(manager)));
        print_field("Features", format_strings(l4h_manager_get_features(manager), ", ", "-"));
        print_field("Address", format("%s", l4h_manager_get_listen_address(manager)));
        print_field("Ports",
                format("%u to %u", l4h_manager_get_first_port(manager), l4h_manager_get_last_port(manager)));
        print_field(
                "Jobs", format("%" PRIu32 " running, %" PRIu32 " at once at most",
                                l4h_manager_get_running_jobs(manager), l4h_manager_get_job_slots(manager)));
        _cleanup_free_ char *limit = format_span(l4h_manager_get_build_time_limit(manager));
        print_field("Builds", format("%s at most, the newest %" PRIu32 " generations are kept", limit,
                                      l4h_manager_get_keep_generations(manager)));
        _cleanup_free_ char *size = format_size(l4h_manager_get_build_size_limit(manager)),
                            *cache = format_size(l4h_manager_get_cache_size_limit(manager)),
                            *kept = format_size(l4h_manager_get_keep_free(manager));
        print_field("Disk", format("%s and %" PRIu64 " files a build, %s a cache, %s stay free", size,
                                    l4h_manager_get_build_file_limit(manager), cache, kept));
        for (const char *const *path = l4h_manager_get_unknown_directories(manager); *path; path++)
                print_field("Unknown", format("%s (kept: look at it, delete it by hand)", *path));
}

static int host_status(Ctl *ctl)
{
        l4h_manager *manager;
        if (l4h_manager_find(ctl->host, &manager) < 0)
                return ctl_fail(ctl);
        host_print(manager);
        l4h_manager_unref(manager);
        return EXIT_DONE;
}

int verb_status(Ctl *ctl, char **arguments)
{
        if (!*arguments)
                return host_status(ctl);

        int status = EXIT_DONE;
        for (char **name = arguments; *name; name++) {
                l4h_instance *instance;
                if (l4h_instance_find(ctl->host, *name, &instance) < 0) {
                        status = ctl_fail(ctl);
                        continue;
                }
                if (name > arguments)
                        putchar('\n');
                instance_print(instance);
                l4h_instance_unref(instance);
        }
        return status;
}
