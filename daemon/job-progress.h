/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a running job is, as its script prints it (see progress.h), read from the journal. Only in memory:
 * a program that was restarted finds it in the journal again. */
#pragma once

#include "job.h"

typedef struct JobProgress JobProgress;

/* Follows the unit at work. */
void job_progress_begin(Job *job);
/* The job is over and all its lines are in the journal: what they say last is told still, and stays. */
void job_progress_end(Job *job);
void job_progress_free(JobProgress *progress);

double job_progress_number(const Job *job);    /* 0 to 1; -1: unknown */
const char *job_progress_text(const Job *job); /* "" when there is none */
