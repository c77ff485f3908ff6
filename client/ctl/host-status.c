/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host, closely. */
#include "status.h"

void host_print(const Ctl *ctl, const l4h_manager *manager)
{
        puts("left4me-hostd");
        target_print(ctl);
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
