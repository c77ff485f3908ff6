/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps of a job that touch files or mounts, off the main thread. A step has its own copies of what it needs.
 */
#pragma once

#include "job.h"

/* Runs `step(data)` on a thread, then `done(job, data)` on the main one. */
void job_run_in_thread(Job *job, void (*step)(void *data), void (*done)(Job *job, void *data), void *data);

/* Each unit of a job has a staging directory of its own, as what the one before it needed may still be on its
 * way out. `suffix` as for job_unit_run(). Returns: the directory's name, owned by the caller. */
char *job_staging_name(const Job *job, const char *suffix);
/* Removes it, if there is one, in the background; a failure is logged. */
void job_unstage(Job *job, const char *suffix);
