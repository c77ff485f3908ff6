/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps of a job that touch files or mounts, off the main thread. A step has its own copies of what it needs.
 */
#pragma once

#include "job.h"

/* Runs `step(data)` on a thread, then `done(job, data)` on the main one. */
void job_run_in_thread(Job *job, void (*step)(void *data), void (*done)(Job *job, void *data), void *data);

/* Removes what is staged for the job, in the background; a failure is logged. */
void job_unstage(Job *job);
