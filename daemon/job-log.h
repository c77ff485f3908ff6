/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a job's units print. It is the journal's; the last 64 KiB stay with a finished job when the journal
 * has let go of them. */
#pragma once

#include "job.h"
#include "log.h"

/* Returns: the job's log as it is now, owned by the caller, or NULL with an error of the store. */
Log *job_log_new(Job *job, GError **error);

/* Whether nothing more comes to it: the job has ended, and journald has all that it printed. */
bool job_log_is_whole(const Job *job);
/* Has those who follow it come to the end: it is whole now, or the job is forgotten. */
void job_log_end(Job *job);

/* Puts aside the last lines of the finished jobs that have none put aside yet, one job after another, in the
 * background. Called when a job has ended; the program's start does what an earlier one did not come to. */
void jobs_keep_logs(Host *host);
void jobs_load_logs(Host *host);
