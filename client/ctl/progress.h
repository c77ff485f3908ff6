/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a job is: a bar on a terminal, elsewhere a line whenever the job says something new. */
#pragma once

#include "ctl.h"

typedef struct Progress {
        bool is_bar;
        char *said; /* the text of the last plain line */
} Progress;

void progress_start(Progress *progress, const Ctl *ctl);
/* `log_line`: what it printed last, NULL when that is not known. */
void progress_show(Progress *progress, const l4h_job *job, const char *log_line);
/* Takes the bar away: something else is printed now. */
void progress_clear(const Progress *progress);
void progress_done(Progress *progress);
