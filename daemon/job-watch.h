/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watcher of a job that fills a generation: a unit beside the one that fills, of another user, which ends
 * when a limit of the disk is passed. The unit that fills is bound to it, so that systemd ends that too,
 * whether this program runs or not. Why is in the job's row as soon as it is known, in `result` and
 * `message`, before the watcher's unit is let go.
 *
 *   begin -> it runs -> the unit that fills is started ... that is gone -> end, for which it looks once more
 */
#pragma once

#include "job.h"

/* Returns: the name of the watcher's unit, to be bound to; owned by the caller. */
char *job_watch_unit_name(const Job *job);

/* Starts it on the job's generation, which has been made, and the overlay's cache where `has_cache`. `ready`
 * is told whether it runs; if it does not, the row says why. */
typedef void (*JobWatchReady)(Job *job, bool is_watched, void *data);
void job_watch_begin(Job *job, bool has_cache, JobWatchReady ready, void *data);
/* What fills runs, in this control group: the watcher may hold it still while it counts. A watcher that was
 * adopted can not be told; when nobody told it before, it counts as well as it can. */
void job_watch_hold(Job *job, const char *control_group);
/* Follows one that was started before this program was. Returns: FALSE when there is none. */
bool job_watch_adopt(Job *job);
/* Ends it, also one that is not followed yet. `done` is called when nothing of it is left and the row has
 * what it had to say. */
void job_watch_end(Job *job, void (*done)(Job *job));
