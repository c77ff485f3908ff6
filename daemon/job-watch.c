/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-watch.h"
#include "beneath.h"
#include "control-group.h"
#include "disk-limit.h"
#include "fault.h"
#include "fd-message.h"
#include "job-stage.h"
#include "job-thread.h"
#include "job-unit.h"
#include "output.h"
#include "paths.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>

typedef struct Watch {
        Output *output; /* NULL when it was adopted: what it counted is not known then */
        int talk_fd;    /* its standard input; negative when it was adopted, or has been told */
        bool has_cache;
        bool is_asked; /* to end */
        JobWatchReady ready;
        void *data;
        void (*done)(Job *job);
} Watch;

char *job_watch_unit_name(const Job *job)
{
        return job_unit_make_name(job, JOB_WATCH_SUFFIX);
}

static void say(Job *job, const char *result, char *message)
{
        char *trouble = NULL;

        g_free(job->row->result);
        job->row->result = g_strdup(result);
        g_free(job->row->message);
        job->row->message = message;
        if (store_save_job(job->host->store, job->row, &trouble) < 0)
                g_warning("Why job %s is ended is not in the store yet: %s", job->id, trouble);
        fault_point(FAULT_WATCH_SAID);
        g_free(trouble);
}

static void on_started(Job *job, void *userdata)
{
        job_unstage(job, JOB_WATCH_SUFFIX);
}

static void tell_ready(Job *job, Watch *w, bool is_watched)
{
        JobWatchReady ready = w->ready;

        w->ready = NULL;
        if (ready)
                ready(job, is_watched, w->data);
}

static void on_running(Job *job, void *userdata)
{
        tell_ready(job, userdata, true);
}

static void on_ended(Job *job, const JobUnitResult *result, void *userdata)
{
        Watch *w = userdata;
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        g_autofree char *text = w->output ? output_read(w->output) : NULL;
        uint64_t amount = text ? g_ascii_strtoull(text, NULL, 10) : 0;
        char *message = NULL;

        if (job_is_cancelled(job))
                return;
        /* The second: it had ended before the build's start was asked for, see sandbox.c. */
        if (g_str_equal(result->result, "exit-code") || g_str_equal(result->result, "start-limit-hit"))
                message = disk_limit_explain(overlay, result->exit_status, amount);
        if (message)
                say(job, RESULT_DISK_LIMIT, message);
        else if (w->is_asked || g_str_equal(job->row->result, "success"))
                return; /* what has been filled is counted by the seal too */
        else
                say(job, "watcher",
                        g_strdup_printf(
                                "How much of the disk it takes could not be watched: %s", result->message));
        /* systemd has told it to end, which it need not do at once. */
        if (job->unit)
                job_unit_kill(job->unit);
}

static void watch_free(Watch *w)
{
        output_free(w->output);
        close_fd(&w->talk_fd);
        g_free(w);
}

static void on_gone(Job *job, const JobUnitResult *result, void *userdata)
{
        Watch *w = userdata;

        tell_ready(job, w, false);
        if (w->done)
                w->done(job);
        watch_free(w);
}

static const JobUnitHandlers handlers = {
        .started = on_started, .running = on_running, .ended = on_ended, .gone = on_gone};

static void watch_run(Job *job, Watch *w, const Stage *s, int stdin_fd)
{
        const Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        const Settings *settings = job->host->settings;
        g_autofree char *keep_free = g_strdup_printf("%" PRIu64, settings->keep_free);
        g_autofree char *bytes = g_strdup_printf("%" PRIu64, overlay_size_limit(overlay));
        g_autofree char *names = g_strdup_printf("%" PRIu64, overlay_file_limit(overlay));
        g_autofree char *cache_bytes = g_strdup_printf("%" PRIu64, settings->cache_size_limit);
        g_autofree char *cache_names = g_strdup_printf("%u", settings->build_file_limit);
        const char *argv[] = {PATH_TREE_PROGRAM, "watch", keep_free, "/overlay", bytes, names,
                w->has_cache ? "/cache" : NULL, cache_bytes, cache_names, NULL};
        g_autofree char *description =
                g_strdup_printf("Watcher of overlay %s for job %s", overlay->row->name, job->id);

        job_unit_run(job, JOB_WATCH_SUFFIX,
                &(SandboxSpec){
                        .description = description,
                        .is_watcher = true,
                        .argv = (char *const *)argv,
                        .binds = s->binds,
                        .n_binds = s->n_binds,
                        .working_directory = "/",
                        .time_limit = UINT64_MAX, /* as long as what it watches */
                        .stdin_fd = stdin_fd,
                        .stdout_fd = output_fd(w->output),
                },
                &handlers, w);
}

/* Returns: the watcher's end, in which lies a file without a name by which it sees how much space is free. */
static int open_talk(const Host *host, Watch *w)
{
        _cleanup_close_ int file_fd = beneath_open(host->state_fd, DIR_OVERLAYS, O_TMPFILE | O_WRONLY, 0600);
        _cleanup_close_ int stdin_fd = -EBADF;
        int sockets[2], r;

        if (file_fd < 0)
                return file_fd;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        w->talk_fd = sockets[0];
        stdin_fd = sockets[1];
        r = fd_message_send(w->talk_fd, &file_fd, 1);
        return r < 0 ? r : steal_fd(&stdin_fd);
}

static void on_staged(Job *job, void *data)
{
        g_autoptr(Stage) s = data;
        Watch *w = s->userdata;
        _cleanup_close_ int stdin_fd = -EBADF;
        int r = s->result < 0 ? s->result : output_new(&w->output);

        if (r >= 0)
                r = stdin_fd = open_talk(job->host, w);
        if (r >= 0) {
                watch_run(job, w, s, stdin_fd);
                return;
        }
        if (!job_is_cancelled(job))
                say(job, "sandbox-setup",
                        s->message ? g_strdup(s->message)
                                   : g_strdup_printf("Its watcher cannot be started: %s", g_strerror(-r)));
        tell_ready(job, w, false);
        watch_free(w);
}

void job_watch_begin(Job *job, bool has_cache, JobWatchReady ready, void *data)
{
        Stage *s = stage_new(
                job, JOB_WATCH_SUFFIX, STAGE_FILLED | STAGE_WATCHER | (has_cache ? STAGE_CACHE : 0));
        Watch *w = g_new0(Watch, 1);

        *w = (Watch){.talk_fd = -EBADF, .has_cache = has_cache, .ready = ready, .data = data};
        s->userdata = w;
        job_run_in_thread(job, stage_step, on_staged, s);
}

void job_watch_hold(Job *job, const char *control_group)
{
        Watch *w = job->watch ? job_unit_userdata(job->watch) : NULL;
        _cleanup_close_ int freeze_fd = -EBADF, events_fd = -EBADF;
        int r;

        if (!w || w->talk_fd < 0)
                return;
        r = freeze_fd = control_group_open(control_group, CONTROL_GROUP_FREEZE, O_WRONLY);
        if (r >= 0)
                r = events_fd = control_group_open(control_group, CONTROL_GROUP_EVENTS, O_RDONLY);
        if (r >= 0)
                r = fd_message_send(w->talk_fd, (int[]){freeze_fd, events_fd}, 2);
        close_fd(&w->talk_fd);
        if (r < 0 && r != -ENOENT) /* it has ended */
                g_warning("Job %s is not held still while what it takes of the disk is counted, so that a "
                          "script that moves directories can hide some of it: its control group %s: %s",
                        job->id, control_group, g_strerror(-r));
}

bool job_watch_adopt(Job *job)
{
        Watch *w = g_new0(Watch, 1);
        bool is_there;

        w->talk_fd = -EBADF;
        is_there = job_unit_adopt(job, JOB_WATCH_SUFFIX, &handlers, w);
        if (!is_there)
                watch_free(w);
        return is_there;
}

void job_watch_end(Job *job, void (*done)(Job *job))
{
        Watch *w;

        if (!job->watch && !job_watch_adopt(job)) {
                done(job);
                return;
        }
        w = job_unit_userdata(job->watch);
        w->is_asked = true;
        w->done = done;
        job_unit_stop(job->watch);
}
