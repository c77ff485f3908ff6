/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One transient unit of a job, from its start to the moment when its result is known and nothing of it is
 * left.
 *
 *   start -> started() -> running() -> ... its main process ends -> ended() -> stop, which ends children that
 * still write -> gone()
 *
 * The unit stays in systemd with its result until it is stopped here (RemainAfterExit=,
 * CollectMode=inactive), so that ended() can write the result down first, and a program that was restarted
 * finds it. */
#pragma once

#include "job.h"

typedef struct JobUnit JobUnit;

#define JOB_WATCH_SUFFIX "watch"

typedef struct JobUnitResult {
        bool has_started; /* FALSE: the sandbox could not be set up */
        bool is_success;
        char *result;    /* systemd's word, or "sandbox-setup", "stopped" */
        int exit_status; /* or the signal */
        char *message;   /* a sentence; "" on success */
} JobUnitResult;

typedef struct JobUnitHandlers {
        void (*started)(Job *job,
                void *userdata); /* its namespaces stand, or it failed: what was staged can go; may be NULL */
        void (*running)(Job *job, void *userdata); /* it really runs, when it was seen to; may be NULL */
        void (*ended)(Job *job, const JobUnitResult *result, void *userdata); /* may be NULL */
        void (*gone)(Job *job, const JobUnitResult *result, void *userdata);
        const char *time_limit_hint; /* what a person can do when it took too long */
} JobUnitHandlers;

/* Starts. `suffix`: "" for the script, "seal", "empty"; JOB_WATCH_SUFFIX for the watcher, which runs beside
 * another. The spec's job and slot are filled in from the job. */
void job_unit_run(
        Job *job, const char *suffix, SandboxSpec *spec, const JobUnitHandlers *handlers, void *userdata);
/* Follows a unit that was started before this program was. Returns: FALSE when systemd does not know it. */
bool job_unit_adopt(Job *job, const char *suffix, const JobUnitHandlers *handlers, void *userdata);
/* Asks for the end of a running one: a script is told by SIGTERM, and killed when it does not listen; see
 * KillSignal in sandbox.c. */
void job_unit_stop(JobUnit *unit);
/* Ends it at once: it is stopped already, and must not have its time for that. */
void job_unit_kill(JobUnit *unit);
/* systemd told something of the unit `name`. A signal is a reason to look, no more: what a unit ended with is
 * read from it. */
void job_unit_notice(JobUnit *unit, const char *name);
const char *job_unit_name(const JobUnit *unit);
void *job_unit_userdata(const JobUnit *unit);
/* Returns: the path of its control group, from running() on. */
const char *job_unit_control_group(const JobUnit *unit);
void job_unit_free(JobUnit *unit);

/* Returns: "left4me-job-ID.service" or "left4me-job-ID-SUFFIX.service", owned by the caller. */
char *job_unit_make_name(const Job *job, const char *suffix);
/* Returns: those of all units that a job can have, whose lines are its log; a strv owned by the caller. */
char **job_unit_make_all_names(const Job *job);
