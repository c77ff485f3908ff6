/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How jobs end, as told to the person who asked for them. */
#include "ctl.h"

char *job_describe(const l4h_job *job)
{
        if (l4h_job_get_instance(job))
                return format("%s %s", l4h_job_get_kind(job), l4h_job_get_instance(job));
        if (l4h_job_get_overlay(job))
                return format("%s %s", l4h_job_get_kind(job), l4h_job_get_overlay(job));
        return format("%s", l4h_job_get_kind(job));
}

/* Says how a finished job ended, and where to read on when that is not well. */
static int job_report(const Ctl *ctl, const l4h_job *job)
{
        bool is_good = l4h_job_is_successful(job);
        if (is_good && ctl->is_quiet)
                return EXIT_DONE;

        _cleanup_free_ char *what = job_describe(job);
        const char *message = l4h_job_get_message(job);
        if (!*message && !is_good)
                message = l4h_job_get_result(job);
        _cleanup_free_ char *text = format_text(message);
        fprintf(is_good ? stdout : stderr, "Job %" PRIu64 " (%s) %s%s%s\n", l4h_job_get_id(job), what,
                l4h_job_get_state(job), *text ? ": " : ".", text);
        if (!is_good && *l4h_job_get_unit(job))
                fprintf(stderr, "What it printed: l4d2ctl job log %" PRIu64 "\n", l4h_job_get_id(job));
        return is_good ? EXIT_DONE : EXIT_FAILED;
}

void job_left(uint64_t id)
{
        printf("Job %" PRIu64 " goes on; 'l4d2ctl job wait %" PRIu64 "' waits for it.\n", id, id);
}

int job_wait(Ctl *ctl, uint64_t id)
{
        l4h_job *job;
        int status = job_follow(ctl, id, &job);
        if (status == EXIT_LEFT)
                job_left(id);
        if (status != EXIT_DONE)
                return status;
        status = job_report(ctl, job);
        l4h_job_unref(job);
        return status;
}

int job_outcome(Ctl *ctl, uint64_t id)
{
        if (ctl->waits)
                return job_wait(ctl, id);
        printf("%" PRIu64 "\n", id);
        return EXIT_DONE;
}
