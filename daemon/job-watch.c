/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-watch.h"
#include "disk-limit.h"
#include "fault.h"
#include "job-stage.h"
#include "job-thread.h"
#include "job-unit.h"
#include "output.h"
#include "paths.h"

#include <inttypes.h>

typedef struct Watch {
        Output *output; /* NULL when it was adopted: what it counted is not known then */
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
        if (g_str_equal(result->result, "exit-code"))
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

static void watch_run(Job *job, Watch *w, const Stage *s)
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
                        .stdout_fd = output_fd(w->output),
                },
                &handlers, w);
}

static void on_staged(Job *job, void *data)
{
        g_autoptr(Stage) s = data;
        Watch *w = s->userdata;
        int r = s->result < 0 ? s->result : output_new(&w->output);

        if (r >= 0) {
                watch_run(job, w, s);
                return;
        }
        if (!job_is_cancelled(job))
                say(job, "sandbox-setup", g_strdup(s->message ?: g_strerror(-r)));
        tell_ready(job, w, false);
        watch_free(w);
}

void job_watch_begin(Job *job, bool has_cache, JobWatchReady ready, void *data)
{
        Stage *s = stage_new(
                job, JOB_WATCH_SUFFIX, STAGE_FILLED | STAGE_WATCHER | (has_cache ? STAGE_CACHE : 0));
        Watch *w = g_new0(Watch, 1);

        *w = (Watch){.has_cache = has_cache, .ready = ready, .data = data};
        s->userdata = w;
        job_run_in_thread(job, stage_step, on_staged, s);
}

bool job_watch_adopt(Job *job)
{
        Watch *w = g_new0(Watch, 1);
        bool is_there = job_unit_adopt(job, JOB_WATCH_SUFFIX, &handlers, w);

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
