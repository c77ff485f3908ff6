/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build: the overlay's script runs in the sandbox and fills the next generation; job-seal.h has what
 * follows. */
#include "job-queue.h"
#include "job-seal.h"
#include "job-stage.h"
#include "job-thread.h"
#include "job-watch.h"
#include "overlay.h"
#include "paths.h"

static const JobUnitHandlers script_handlers = {
        .started = job_fill_started,
        .running = job_fill_running,
        .ended = job_fill_ended,
        .gone = job_fill_gone,
        .time_limit_hint = JOB_FILL_TIME_LIMIT_HINT,
};

/* Stages for the script are there, and go with its unit's start or with the job. */
static void on_watched(Job *job, bool is_watched, void *data)
{
        g_autoptr(Stage) s = data;
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        const char *argv[] = {PATH_CONFINE_PROGRAM, "/bin/bash", "/script", NULL};
        g_autofree char *description =
                g_strdup_printf("Build of overlay %s by job %s", overlay->row->name, job->id);
        g_autofree char *watcher = job_watch_unit_name(job);

        if (!is_watched || job_is_cancelled(job)) {
                job_watch_end(job, job_fill_over);
                return;
        }
        job_unit_run(job, "",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv,
                        .binds = s->binds,
                        .n_binds = s->n_binds,
                        .working_directory = "/overlay",
                        .has_network = true,
                        .denied = s->denied,
                        .port_first = job->host->settings->port_first,
                        .port_last = job->host->settings->port_last,
                        .file_size_limit = overlay_size_limit(overlay),
                        .bound_to = watcher,
                        .time_limit = overlay_time_limit(overlay),
                        .stdout_fd = -1,
                },
                &script_handlers, NULL);
}

static void on_staged(Job *job, void *data)
{
        g_autoptr(Stage) s = data;

        if (s->result < 0 || job_is_cancelled(job))
                job_seal_fail(job, "sandbox-setup", 0, s->message ?: "");
        else
                job_watch_begin(job, true, on_watched, g_steal_pointer(&s));
}

void job_build_begin(Job *job)
{
        unsigned parts = STAGE_NEXT | STAGE_CACHE | STAGE_PREVIOUS | STAGE_SCRIPT | STAGE_NETWORK;

        job_run_in_thread(job, stage_step, on_staged, stage_new(job, "", parts));
}

/* The program ended before the unit had begun: the build has its turn again, with a new number. */
static void begin_again(Job *job)
{
        if (*job->row->result) {
                job_fill_over(job);
                return;
        }
        job_seal_drop(job);
        job_requeue(job);
        jobs_schedule(job->host);
}

void job_build_resume(Job *job)
{
        if (job_fill_resume(job, &script_handlers))
                return;
        job_watch_end(job, begin_again);
}
