/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the jobs that make a generation have in common. A unit fills it; what follows is the same for all:
 *
 *   begun   directories and staging are made, the unit that fills is started and runs
 *   ended   its result is in the row; the unit is being stopped
 *   seal    the seal's unit reads the tree, refuses what may not be in it, digests it and makes it durable
 *
 * Publishing is one transaction of the store; a tree that is equal to the current generation is not
 * published. Whatever ends a job before that leaves the current generation as it was, and what had been made
 * is deleted by a prune job. */
#pragma once

#include "job-unit.h"

/* Where the time of a unit that fills can be changed. */
#define JOB_FILL_TIME_LIMIT_HINT                                                                             \
        "TimeLimit of the overlay, or BuildTimeLimitSec of host.conf, can give it more"

/* Handlers for the unit that fills. */
void job_fill_started(Job *job, void *userdata);
void job_fill_running(Job *job, void *userdata);
void job_fill_ended(Job *job, const JobUnitResult *result, void *userdata);
void job_fill_gone(Job *job, const JobUnitResult *result, void *userdata);
/* Nothing writes any more, and the row has the result: seals, or ends the job. */
void job_fill_over(Job *job);

/* Takes up a job that the program's end interrupted: at its filling, if the unit is there, or at what
 * follows. Returns: FALSE when nothing had begun. */
bool job_fill_resume(Job *job, const JobUnitHandlers *handlers);

/* Ends the job without a generation of its own; as cancelled, when it was. */
void job_seal_fail(Job *job, const char *result, int exit_status, const char *message);
/* The same, in this state. */
void job_seal_discard(Job *job, const char *state, const char *result, int exit_status, const char *message);
/* Queues the deletion of what the job had made so far. */
void job_seal_drop(Job *job);
