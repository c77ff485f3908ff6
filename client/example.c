/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts the instance that is named, and prints what becomes of all of them until it runs or cannot. */
#include <left4me-host.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

static void on_event(l4h_host *host, const l4h_event *event, void *loop)
{
        if (event->instance)
                printf("%s: %s\n", l4h_instance_get_name(event->instance),
                        event->change == L4H_REMOVED ? "gone"
                                                     : l4h_instance_get_active_state(event->instance));
        if (event->change == L4H_LOST)
                sd_event_exit(loop, 1);
}

static void on_started(l4h_host *host, int r, void *loop)
{
        if (r < 0)
                fprintf(stderr, "%s\n", l4h_error_message(host));
        sd_event_exit(loop, r < 0);
}

int main(int argc, char **argv)
{
        sd_event *loop = NULL;
        l4h_host *host = NULL;
        l4h_slot *watch = NULL;
        const char *name = argc > 1 ? argv[1] : "arena";

        int r = sd_event_default(&loop);
        if (r >= 0)
                r = l4h_open_system(&host);
        if (r >= 0)
                r = l4h_attach_event(host, loop);
        if (r >= 0)
                r = l4h_watch(host, on_event, loop, &watch);
        if (r >= 0)
                r = l4h_instance_start_async(host, name, on_started, loop, NULL);
        if (r >= 0)
                r = sd_event_loop(loop);
        if (r < 0)
                fprintf(stderr, "%s\n", host ? l4h_error_message(host) : strerror(-r));

        l4h_slot_unref(watch);
        l4h_unref(host);
        sd_event_unref(loop);
        return r != 0;
}
