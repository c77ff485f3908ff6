/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a job's units print. It is the journal's; the last 64 KiB stay with a finished job when the journal
 * has let go of them. */
#pragma once

#include "job.h"
#include "journal.h"

#define JOB_LOG_LINES 1000 /* of one answer */

/* `lines` (JournalLine) is NULL when there is an error. */
typedef void (*JobLogDone)(const GPtrArray *lines, bool is_end, const GError *error, void *userdata);

/* Reads on behind the cursor, from the first line when it is "": at most `max` lines, and never more than
 * JOB_LOG_LINES, which 0 stands for too.
 * HOST_ERROR_CURSOR_GONE when this log has no line with this cursor (any more). */
void job_read_log(Job *job, const char *cursor, unsigned max, JobLogDone done, void *userdata);

/* Puts aside the last lines of the finished jobs that have none put aside yet, one job after another, in the
 * background. Called when a job has ended; the program's start does what an earlier one did not come to. */
void jobs_keep_logs(Host *host);
void jobs_load_logs(Host *host);
