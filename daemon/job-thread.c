/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-thread.h"
#include "fault.h"
#include "paths.h"
#include "staging.h"

#include <gio/gio.h>

typedef struct Step {
        Job *job;
        void (*step)(void *data);
        void (*done)(Job *job, void *data);
        void *data;
} Step;

static void run_step(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        Step *s = data;

        s->step(s->data);
        g_task_return_boolean(task, TRUE);
}

static void on_step_done(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Step *s = userdata;

        s->done(s->job, s->data);
        g_free(s);
}

void job_run_in_thread(Job *job, void (*step)(void *data), void (*done)(Job *job, void *data), void *data)
{
        Step *s = g_new(Step, 1);
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_step_done, s);

        *s = (Step){job, step, done, data};
        g_task_set_task_data(task, s, NULL);
        g_task_run_in_thread(task, run_step);
}

typedef struct Unstage {
        int staging_fd;
        char *name;
        int result;
} Unstage;

static void run_unstage(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        Unstage *u = data;

        fault_point(FAULT_UNSTAGE);
        u->result = staging_remove(u->staging_fd, u->name);
        fault_point(FAULT_UNSTAGED);
        g_task_return_boolean(task, TRUE);
}

static void on_unstaged(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Unstage *u = userdata;

        if (u->result < 0)
                g_warning("What is staged in " PATH_STAGING "/%s stays until the next start: %s", u->name,
                        g_strerror(-u->result));
        g_free(u->name);
        g_free(u);
}

char *job_staging_name(const Job *job, const char *suffix)
{
        return g_strconcat(job->id, *suffix ? "-" : "", suffix, NULL);
}

void job_unstage(Job *job, const char *suffix)
{
        Unstage *u = g_new(Unstage, 1);
        /* No handle on the job: it may be over before this is. */
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_unstaged, u);

        *u = (Unstage){job->host->staging_fd, job_staging_name(job, suffix), 0};
        g_task_set_task_data(task, u, NULL);
        g_task_run_in_thread(task, run_unstage);
}
