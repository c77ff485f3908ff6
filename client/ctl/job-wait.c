/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits for a job, shows how far it is, and at Ctrl-C asks what is to become of it. */
#include "progress.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define REDRAW_USEC 1000000

typedef struct Waiting {
        Ctl *ctl;
        uint64_t id;
        sd_event *event;
        l4h_job *job; /* as it is now, NULL before that is known */
        Progress progress;
        l4h_reader *log; /* NULL when it is not to be had */
        char *log_line;  /* the last one */
        bool is_asking;
        sd_event_source *answer; /* what is typed: looked at while it is asked for, or a job of a shell's in
                                  * the background would be stopped at the next key. NULL: nobody is asked */
} Waiting;

static void waiting_done(Waiting *waiting)
{
        l4h_job_unref(waiting->job);
        l4h_reader_unref(waiting->log);
        progress_done(&waiting->progress);
        free(waiting->log_line);
        sd_event_source_unref(waiting->answer);
        sd_event_unref(waiting->event);
}

static void show(Waiting *waiting)
{
        if (waiting->job && !waiting->is_asking && !waiting->ctl->is_quiet &&
                !l4h_job_is_finished(waiting->job))
                progress_show(&waiting->progress, waiting->job, waiting->log_line);
}

static void watched(l4h_host *host, const l4h_event *event, void *userdata)
{
        Waiting *waiting = userdata;
        if (event->change == L4H_LOST || (event->change == L4H_READY && !waiting->job))
                (void)sd_event_exit(waiting->event, EXIT_FAILED);
        if (!event->job || l4h_job_get_id(event->job) != waiting->id)
                return;
        if (!waiting->job)
                waiting->job = l4h_job_ref(event->job); /* the watch keeps it up to date */
        show(waiting);
        if (l4h_job_is_finished(waiting->job) || event->change == L4H_REMOVED)
                (void)sd_event_exit(waiting->event, EXIT_DONE);
}

static int tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        show(userdata);
        return sd_event_source_set_time_relative(source, REDRAW_USEC);
}

/* ---- What it prints ---- */

static int log_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Waiting *waiting = userdata;
        l4h_line line;
        int r;
        while ((r = l4h_reader_next(waiting->log, &line)) > 0)
                if (line.text && line.size > 0) {
                        free(waiting->log_line);
                        waiting->log_line = format("%.*s", (int)line.size, (const char *)line.text);
                }
        show(waiting);
        return r == -EAGAIN ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* For the bar alone, and for those who may read it: nobody is asked for a password for that. */
static void log_open(Waiting *waiting)
{
        _cleanup_(log_options_unrefp) l4h_log_options *options = NULL;
        l4h_host *host = waiting->ctl->host;
        int fd;
        (void)l4h_log_options_new(&options);
        must(options);
        l4h_log_options_set_json(options, true);
        l4h_log_options_set_follow(options, true);
        l4h_log_options_set_lines(options, 1);
        l4h_set_interactive(host, false);
        int r = l4h_job_open_log(host, waiting->id, options, &fd);
        l4h_set_interactive(host, waiting->ctl->asks);
        if (r < 0)
                return;
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        must(l4h_reader_new(fd, &waiting->log) < 0 ? NULL : waiting->log);
        (void)sd_event_add_io(waiting->event, NULL, fd, EPOLLIN, log_readable, waiting);
}

/* ---- Ctrl-C ---- */

static int leave(Waiting *waiting)
{
        putchar('\n');
        return sd_event_exit(waiting->event, EXIT_LEFT);
}

static int answered(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Waiting *waiting = userdata;
        char answer[64];
        ssize_t n = read(fd, answer, sizeof answer);
        if (n <= 0 || answer[0] == 'l')
                return leave(waiting);
        waiting->is_asking = false;
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (answer[0] == 'c' && l4h_job_cancel(waiting->ctl->host, waiting->id) < 0)
                (void)ctl_fail(waiting->ctl);
        show(waiting);
        return 0;
}

static int interrupted(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        Waiting *waiting = userdata;
        if (waiting->is_asking)
                return leave(waiting);
        waiting->is_asking = true;
        progress_clear(&waiting->progress);
        printf("Leave job %" PRIu64 " running, cancel it, or wait on? [l/c/w] ", waiting->id);
        (void)fflush(stdout);
        return sd_event_source_set_enabled(waiting->answer, SD_EVENT_ON);
}

/* Where nobody can be asked, Ctrl-C ends l4d2ctl, and the job goes on. */
static void question_prepare(Waiting *waiting)
{
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)sd_event_add_signal(waiting->event, NULL, SIGINT, interrupted, waiting);
        must(sd_event_add_io(waiting->event, &waiting->answer, STDIN_FILENO, EPOLLIN, answered, waiting) < 0
                        ? NULL
                        : waiting->answer);
        (void)sd_event_source_set_enabled(waiting->answer, SD_EVENT_OFF);
}

/* Runs until the job is over, or is left. Returns: EXIT_DONE, EXIT_LEFT, or EXIT_FAILED when nothing is known
 * of it any more. */
static int loop(Waiting *waiting)
{
        l4h_host *host = waiting->ctl->host;
        l4h_slot *slot = NULL;
        sigset_t mask;
        (void)sigprocmask(SIG_BLOCK, NULL, &mask);
        progress_start(&waiting->progress, waiting->ctl);
        int r = sd_event_new(&waiting->event);
        if (r >= 0)
                r = l4h_attach_event(host, waiting->event);
        if (r >= 0 && waiting->progress.is_bar) {
                (void)sd_event_add_time_relative(
                        waiting->event, NULL, CLOCK_MONOTONIC, REDRAW_USEC, 0, tick, waiting);
                log_open(waiting);
        }
        if (waiting->progress.is_bar && isatty(STDIN_FILENO))
                question_prepare(waiting);
        if (r >= 0)
                r = l4h_watch(host, watched, waiting, &slot);
        if (r >= 0)
                r = sd_event_loop(waiting->event);
        progress_clear(&waiting->progress);
        l4h_slot_unref(slot);
        l4h_detach_event(host);
        (void)sigprocmask(SIG_SETMASK, &mask, NULL); /* what comes next, Ctrl-C ends */
        return r < 0 ? EXIT_FAILED : r;
}

int job_follow(Ctl *ctl, uint64_t id, l4h_job **ret)
{
        _cleanup_(waiting_done) Waiting waiting = {.ctl = ctl, .id = id};
        int status = loop(&waiting);
        if (status == EXIT_LEFT)
                return status;
        if (waiting.job && l4h_job_is_finished(waiting.job)) {
                *ret = l4h_job_ref(waiting.job);
                return EXIT_DONE;
        }
        /* There is none, or the connection is lost: that has a sentence of its own. */
        return l4h_job_wait(ctl->host, id, ret) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}
