/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue: who asks for a job, what a user may have waiting, and which job begins when a slot is free.
 * What two jobs are to each other is in job-rules.h. */
#pragma once

#include "job.h"

#define JOB_NOBODY ((uid_t)-1) /* the service itself asks for the job */

/* Asks for a job. `row` is taken: kind and subject are set. Returns: a new queued job, saved, or the one that
 * does the same work, with `uid` as one more requester; borrowed. HOST_ERROR_BUSY when another has the
 * subject, HOST_ERROR_LIMIT_REACHED beyond MaxQueuedJobsPerUser. */
Job *job_queue(Host *host, JobRow *row, uid_t uid, GError **error);
bool job_has_requester(const Job *job, uid_t uid);
gboolean job_remove_requester(Job *job, uid_t uid, GError **error);

/* Returns: a slot that nobody has, -1 with HOST_ERROR_BUSY when there is none. */
int job_find_slot(Host *host, GError **error);
/* Begins a queued job now. */
void job_take_turn(Job *job, int slot);
/* Starts what may start now. Called whenever something ends or is queued. */
void jobs_schedule(Host *host);
/* The running or queued job of this kind on this overlay, borrowed, or NULL. */
Job *job_of_overlay(Host *host, uint64_t overlay, const char *kind, bool is_queued);
unsigned jobs_running(Host *host);
