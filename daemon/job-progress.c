/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-progress.h"
#include "job-unit.h"
#include "journal-follow.h"
#include "progress.h"

#define UNKNOWN       (-1.0)
#define TEXT_MAX      512                  /* bytes of a line that are looked at */
#define TELL_INTERVAL (G_USEC_PER_SEC / 4) /* signals go to everybody who listens */

struct JobProgress {
        Job *job;
        JournalFollower *follower; /* NULL once the job is over */
        double number;
        char *text;
        bool has_new_number, has_new_text; /* not told yet */
        gint64 told_at;                    /* microseconds, monotonic */
        guint timer;                       /* of what is to be told, 0: none */
};

void job_progress_free(JobProgress *p)
{
        if (!p)
                return;
        g_clear_handle_id(&p->timer, g_source_remove);
        journal_follower_free(p->follower);
        g_free(p->text);
        g_free(p);
}

static gboolean on_tell(gpointer userdata)
{
        JobProgress *p = userdata;
        const char *names[3] = {};
        size_t n = 0;

        p->timer = 0;
        p->told_at = g_get_monotonic_time();
        if (p->has_new_number)
                names[n++] = "Progress";
        if (p->has_new_text)
                names[n++] = "ProgressText";
        p->has_new_number = p->has_new_text = false;
        host_object_changed(p->job->host, OBJECT_JOB, p->job->id, names);
        return G_SOURCE_REMOVE;
}

/* At once where the last time is long ago. */
static void tell(JobProgress *p)
{
        gint64 wait = p->told_at + TELL_INTERVAL - g_get_monotonic_time();

        if (!p->timer)
                p->timer = g_timeout_add((guint)(MAX(wait, 0) + 999) / 1000, on_tell, p);
}

static void on_printed(JournalLine *printed, bool is_gap, void *userdata)
{
        g_autoptr(JournalLine) line = printed;
        JobProgress *p = userdata;
        g_autofree char *text = NULL;
        double number;
        gsize size;
        const char *bytes = g_bytes_get_data(line->text, &size);

        switch (progress_parse(bytes, MIN(size, TEXT_MAX), &number, &text)) {
        case PROGRESS_NONE:
                return;
        case PROGRESS_NUMBER:
                if (number == p->number)
                        return;
                p->number = number;
                p->has_new_number = true;
                break;
        case PROGRESS_TEXT:
                if (g_str_equal(text, p->text))
                        return;
                g_free(p->text);
                p->text = g_steal_pointer(&text);
                p->has_new_text = true;
                break;
        }
        tell(p);
}

void job_progress_begin(Job *job)
{
        g_autoptr(JournalLines) which =
                journal_lines_new(g_new0(char *, 2), job->row->started_at); /* not of an earlier turn */
        JobProgress *p = g_new0(JobProgress, 1);
        int r;

        which->units[0] = g_strdup(job_unit_name(job->unit));
        *p = (JobProgress){.job = job, .number = UNKNOWN, .text = g_strdup("")};
        job_progress_free(job->progress);
        job->progress = p;
        r = journal_follow_printed(
                which, &(JournalListener){.line = on_printed, .userdata = p}, &p->follower);
        if (r < 0)
                g_warning("Cannot follow the progress of job %s: %s", job->id, g_strerror(-r));
}

static void on_ended(void *userdata)
{
        JobProgress *p = userdata;

        g_clear_pointer(&p->follower, journal_follower_free);
}

void job_progress_end(Job *job)
{
        if (job->progress && job->progress->follower)
                journal_follower_finish(job->progress->follower, on_ended);
}

double job_progress_number(const Job *job)
{
        return job->progress ? job->progress->number : UNKNOWN;
}

const char *job_progress_text(const Job *job)
{
        return job->progress ? job->progress->text : "";
}
