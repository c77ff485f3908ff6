/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor: what comes, changes and goes, as it happens. */
#include "show.h"
#include <errno.h>
#include <systemd/sd-event.h>
#include <time.h>

/* What was said of an object last: not all that changes is worth a line. */
typedef struct Seen {
        const void *object;
        char *summary;
} Seen;

typedef struct Monitor Monitor;

/* One host that is watched. */
typedef struct Watched {
        Monitor *monitor;
        const Target *target; /* NULL: this machine */
        l4h_host *host;
        l4h_slot *slot;
        bool is_ready; /* what there was at first has been told */
        bool is_away;
        Seen *seen;
        size_t n_seen;
} Watched;

struct Monitor {
        Ctl *ctl;
        sd_event *event;
        size_t n_watched;
        int status;
};

static void line_print(const Watched *watched, const char *text)
{
        time_t now = time(NULL);
        struct tm tm;
        char clock[16] = "";
        if (localtime_r(&now, &tm))
                (void)strftime(clock, sizeof clock, "%H:%M:%S", &tm);
        bool has_host = has_several_targets(watched->monitor->ctl);
        printf("%s %s%s%s\n", clock, has_host ? watched->target->where : "", has_host ? " " : "", text);
}

/* ---- Objects ---- */

static char *instance_summary(const l4h_instance *instance)
{
        _cleanup_free_ char *message = format_text(l4h_instance_get_message(instance));
        return format("%s (%s)%s%s%s%s", l4h_instance_get_active_state(instance),
                l4h_instance_get_sub_state(instance), l4h_instance_is_mounted(instance) ? ", mounted" : "",
                l4h_instance_is_outdated(instance) ? ", outdated" : "", *message ? ": " : "", message);
}

static char *overlay_summary(const l4h_overlay *overlay)
{
        return format("%s, generation %" PRIu64, l4h_overlay_get_state(overlay),
                l4h_overlay_get_generation(overlay));
}

static char *job_summary(const l4h_job *job)
{
        _cleanup_free_ char *what = job_describe(job),
                            *text = format_text(l4h_job_is_finished(job) ? l4h_job_get_message(job)
                                                                         : l4h_job_get_progress_text(job));
        int percent = (int)(100 * l4h_job_get_progress(job));
        _cleanup_free_ char *done =
                percent >= 0 && !l4h_job_is_finished(job) ? format(" %d%%", percent) : format("%s", "");
        return format("%s: %s%s%s%s", what, l4h_job_get_state(job), done, *text ? ": " : "", text);
}

static const void *event_object(const l4h_event *event)
{
        return event->instance  ? (const void *)event->instance
               : event->overlay ? (const void *)event->overlay
                                : (const void *)event->job;
}

static char *event_summary(const l4h_event *event)
{
        return event->instance  ? instance_summary(event->instance)
               : event->overlay ? overlay_summary(event->overlay)
                                : job_summary(event->job);
}

static char *event_name(const l4h_event *event)
{
        if (event->instance)
                return format("instance %s", l4h_instance_get_name(event->instance));
        if (event->overlay)
                return format("overlay %s", l4h_overlay_get_name(event->overlay));
        return format("job %" PRIu64, l4h_job_get_id(event->job));
}

static Seen *seen_find(Watched *watched, const void *object)
{
        for (size_t i = 0; i < watched->n_seen; i++)
                if (watched->seen[i].object == object)
                        return &watched->seen[i];
        watched->seen = must(reallocarray(watched->seen, watched->n_seen + 1, sizeof *watched->seen));
        watched->seen[watched->n_seen] = (Seen){object, NULL};
        return &watched->seen[watched->n_seen++];
}

static void seen_remove(Watched *watched, Seen *seen)
{
        free(seen->summary);
        *seen = watched->seen[--watched->n_seen];
}

static void object_print(Watched *watched, const l4h_event *event)
{
        static const char *const words[] = {
                [L4H_ADDED] = "added, ", [L4H_CHANGED] = "", [L4H_REMOVED] = "removed; was "};
        Seen *seen = seen_find(watched, event_object(event));
        char *summary = event_summary(event);
        if (watched->is_ready &&
                (event->change != L4H_CHANGED || !seen->summary || strcmp(seen->summary, summary) != 0)) {
                _cleanup_free_ char *name = event_name(event),
                                    *line = format("%s: %s%s", name, words[event->change], summary);
                line_print(watched, line);
        }
        free(seen->summary);
        seen->summary = summary;
        if (event->change == L4H_REMOVED)
                seen_remove(watched, seen);
}

/* ---- Events ---- */

static const char *const change_words[] = {[L4H_ADDED] = "added",
        [L4H_CHANGED] = "changed",
        [L4H_REMOVED] = "removed",
        [L4H_READY] = "ready",
        [L4H_AWAY] = "away",
        [L4H_LOST] = "lost"};

static void event_print_json(Ctl *ctl, const l4h_event *event)
{
        json_object *o = json_of_target(ctl, must(json_object_new_object()));
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        json_add(o, "Time", must(json_object_new_int64((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)));
        json_add(o, "Change", json_text(change_words[event->change]));
        if (event->manager)
                json_add(o, "Manager", json_manager(event->manager));
        if (event->instance)
                json_add(o, "Instance", json_instance(event->instance));
        if (event->overlay)
                json_add(o, "Overlay", json_overlay(event->overlay));
        if (event->job)
                json_add(o, "Job", json_job(event->job));
        json_print(o, ctl);
}

static void service_print(Watched *watched, l4h_change change)
{
        if (change == L4H_AWAY && !watched->is_away)
                line_print(watched, "left4me-hostd is away.");
        if (change == L4H_READY && watched->is_away)
                line_print(watched, "left4me-hostd is back.");
}

/* Nothing more comes of this host. */
static void host_lose(Watched *watched)
{
        Monitor *monitor = watched->monitor;
        (void)ctl_fail(monitor->ctl);
        monitor->status = EXIT_FAILED;
        if (--monitor->n_watched == 0)
                (void)sd_event_exit(monitor->event, 0);
}

static void watched_event(l4h_host *host, const l4h_event *event, void *userdata)
{
        Watched *watched = userdata;
        Ctl *ctl = watched->monitor->ctl;
        ctl->host = host;
        ctl->target = watched->target;
        if (ctl->json != JSON_OFF)
                event_print_json(ctl, event);
        else if (event->instance || event->overlay || event->job)
                object_print(watched, event);
        else
                service_print(watched, event->change);
        /* A host that cannot be reached is away from the start, and its sentence says why. */
        if (event->change == L4H_AWAY && !watched->is_ready && !watched->is_away)
                watched->monitor->status = ctl_fail(ctl);
        watched->is_ready |= event->change == L4H_READY;
        watched->is_away = event->change == L4H_AWAY || (watched->is_away && event->change != L4H_READY);
        if (event->change == L4H_LOST)
                host_lose(watched);
}

/* Returns: whether it is watched; it has been told why not. */
static bool watch_start(Monitor *monitor, Watched *watched, const Target *target)
{
        *watched = (Watched){.monitor = monitor, .target = target};
        monitor->ctl->host = NULL;
        if (target_open(monitor->ctl, target) != EXIT_DONE)
                return false;
        watched->host = monitor->ctl->host;
        (void)must(l4h_attach_event(watched->host, monitor->event) < 0 ? NULL : watched);
        if (l4h_watch(watched->host, watched_event, watched, &watched->slot) >= 0)
                return true;
        (void)ctl_fail(monitor->ctl);
        return false;
}

static void watch_stop(Watched *watched)
{
        l4h_slot_unref(watched->slot);
        if (watched->host)
                l4h_detach_event(watched->host);
        l4h_unref(watched->host);
        while (watched->n_seen > 0)
                seen_remove(watched, watched->seen);
        free(watched->seen);
}

static int run(Ctl *ctl, char **arguments)
{
        size_t n = ctl->n_targets > 0 ? ctl->n_targets : 1;
        _cleanup_free_ Watched *watched = must(calloc(n, sizeof *watched));
        Monitor monitor = {.ctl = ctl, .status = EXIT_DONE};
        target_close(ctl); /* each has a connection of its own */
        (void)must(sd_event_new(&monitor.event) < 0 ? NULL : ctl);
        for (size_t i = 0; i < n; i++)
                if (watch_start(&monitor, &watched[i], ctl->n_targets > 0 ? &ctl->targets[i] : NULL))
                        monitor.n_watched++;
                else
                        monitor.status = EXIT_FAILED;
        if (monitor.n_watched > 0 && sd_event_loop(monitor.event) < 0)
                monitor.status = EXIT_FAILED;
        for (size_t i = 0; i < n; i++)
                watch_stop(&watched[i]);
        ctl->host = NULL;
        sd_event_unref(monitor.event);
        return monitor.status;
}

const Verb verb_monitor = {
        .name = "monitor",
        .arguments = "",
        .options = OPTION_JSON | OPTION_HOSTS,
        .help = "Print what happens",
        .details = "A line for whatever comes, changes or goes, until Ctrl-C. With --json an\n"
                   "object for each, first for all that is there, then one whose Change is ready.\n",
        .run = run,
};
