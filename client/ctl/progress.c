/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bar, and the lines in its place. */
#include "progress.h"
#include <math.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 20
#define SURE_FROM 0.02 /* before, what is left is no more than a guess */

void progress_start(Progress *progress, const Ctl *ctl)
{
        *progress = (Progress){.is_bar = terminal_is_output()};
}

void progress_done(Progress *progress)
{
        free(progress->said);
}

void progress_clear(const Progress *progress)
{
        if (progress->is_bar)
                fputs("\r\033[K", stdout);
        (void)fflush(stdout);
}

static char *span_short(uint64_t seconds)
{
        if (seconds >= 3600)
                return format("%" PRIu64 "h %02" PRIu64 "min", seconds / 3600, seconds / 60 % 60);
        if (seconds >= 60)
                return format("%" PRIu64 "min %02" PRIu64 "s", seconds / 60, seconds % 60);
        return format("%" PRIu64 "s", seconds);
}

/* How long it will take, or has taken where it does not say how far it is. */
static char *time_format(const l4h_job *job)
{
        uint64_t started = l4h_job_get_started_at(job) / 1000000, now = (uint64_t)time(NULL);
        double done = l4h_job_get_progress(job);
        if (started == 0 || now < started)
                return format("%s", l4h_job_get_state(job));
        double left = done >= SURE_FROM ? (double)(now - started) * (1 - done) / done : -1;
        _cleanup_free_ char *span = span_short(left >= 0 ? (uint64_t)llround(left) : now - started);
        return left >= 0 ? format("%s left", span) : format("%s", span);
}

static char *bar_format(double done)
{
        char bar[BAR_WIDTH + 1] = "";
        if (done < 0)
                return format("%s", "");
        for (int i = 0; i < BAR_WIDTH; i++)
                bar[i] = i < (int)(done * BAR_WIDTH) ? '#' : '-';
        return format("[%s] %3d%%  ", bar, (int)(done * 100));
}

static void bar_show(const l4h_job *job, const char *text)
{
        _cleanup_free_ char *what = job_describe(job), *bar = bar_format(l4h_job_get_progress(job)),
                            *took = time_format(job), *said = format_text(text);
        _cleanup_free_ char *line = format("%s  %s%s  %s", what, bar, took, said);
        size_t columns = terminal_columns();
        _cleanup_free_ char *shown = text_cut(line, columns > 1 ? columns - 1 : 1);
        printf("\r%s\033[K", shown);
        (void)fflush(stdout);
}

static void line_show(Progress *progress, const l4h_job *job, const char *text)
{
        if (!*text || (progress->said && strcmp(progress->said, text) == 0))
                return;
        free(progress->said);
        progress->said = format("%s", text);
        _cleanup_free_ char *what = job_describe(job), *said = format_text(text);
        double done = l4h_job_get_progress(job);
        if (done >= 0)
                printf("%s: %3d%% %s\n", what, (int)(done * 100), said);
        else
                printf("%s: %s\n", what, said);
}

void progress_show(Progress *progress, const l4h_job *job, const char *log_line)
{
        const char *text = l4h_job_get_progress_text(job);
        if (progress->is_bar)
                bar_show(job, *text || !log_line ? text : log_line);
        else
                line_show(progress, job, text);
}
