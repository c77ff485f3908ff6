/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job: one piece of long work that outlives the daemon. job.c has the life of every job, job-rules.c the
 * kinds there are and what two jobs are to each other, job-queue.c the queue, job-unit.c the transient unit a
 * job runs, job-build.c what a build does, job-import.c what an import, job-seal.c how what was filled
 * becomes a generation, job-trash.c what the kinds that delete do, job-progress.c how far a job is, job-log.c
 * what it prints.
 *
 *   queued -> running -> done | failed | cancelled | interrupted
 *
 * The row is written before a unit is started and after its result is known; `phase` says which step a
 * running job is in, so that job_resume() can go on after a crash at any instant. */
#pragma once

#include "host.h"
#include "job-rules.h"

typedef struct JobImport JobImport;

struct Job {
        Host *host;
        JobRow *row;
        const JobRule *rule;
        char *id;                     /* row->id in decimal */
        struct JobUnit *unit;         /* the transient unit at work, NULL between units; see job-unit.h */
        struct JobUnit *watch;        /* the one that watches it, NULL when none does; see job-watch.h */
        JobImport *import;            /* until its unit has the archive; see job-import.c */
        bool is_unsaved;              /* its end is not in the store yet */
        struct JobProgress *progress; /* NULL when it has none; see job-progress.h */
        bool is_log_whole;            /* it has ended, and journald has all that it printed */
        bool is_log_seen_to; /* its last lines are put aside, as far as they could be; see job-log.h */
};

Job *job_new(Host *host, JobRow *row); /* takes the row */
void job_free(Job *job);

Job *job_find(Host *host, uint64_t id, GError **error); /* HOST_ERROR_NO_SUCH_JOB */
/* The highest id that is known: all that were given out before it are not above it. 0: there is no job. */
uint64_t jobs_newest(Host *host);
/* Whether the job of this id has begun and ended, maybe so long ago that nothing else is known of it. */
bool jobs_is_over(Host *host, uint64_t id);
void job_set_busy(const Job *holder, GError **error); /* HOST_ERROR_BUSY: it has its subject */
/* A requester's Cancel takes him off; the last one's, or `as_manager`, ends the job. HOST_ERROR_BUSY when it
 * cannot be ended any more. That a running job is to end is in the store before its unit is stopped. */
gboolean job_cancel(Job *job, uid_t uid, bool as_manager, GError **error);

bool job_is_cancelled(const Job *job); /* it runs still, and its unit is being stopped */
bool job_is_finished(const Job *job);
bool job_is_queued(const Job *job);
bool job_is_running(const Job *job);
bool job_has_begun(const Job *job); /* its turn had come, maybe before it was queued again */
gboolean job_save(Job *job, GError **error);
/* Its turn has come: it has this slot from now on. */
void job_begin(Job *job, int slot);
/* Marks a step; the row is saved. Returns: FALSE when the store failed; the job has then failed and is
 * finished. */
gboolean job_enter_phase(Job *job, const char *phase);
/* The end: saved, announced, slot freed, others scheduled. `row` fields result, message and exit_status are
 * set from the arguments. */
void job_finish(Job *job, const char *state, const char *result, int exit_status, const char *message);
/* The same without saving: overlay_publish() has saved it in its own transaction. */
void job_set_finished(Job *job, const char *state, const char *result, int exit_status, const char *message);
void job_announce_finished(Job *job);

/* What had not begun goes back into the queue. */
void job_requeue(Job *job);
/* Takes up jobs that were running when the program ended. */
void jobs_resume(Host *host);
void job_unit_changed(Host *host, const char *unit);
#define job_changed(j, ...) host_changed((j)->host, OBJECT_JOB, (j)->id, __VA_ARGS__)

/* job-build.c, job-import.c, job-trash.c */
void job_build_begin(Job *job);
void job_build_resume(Job *job);
void job_import_begin(Job *job);
void job_import_resume(Job *job);
void job_trash_begin(Job *job); /* also resumes: every step can be done again */
/* Queues a job that empties what jobs which have ended left in the trash, unless there is one. */
void job_queue_empty_trash(Host *host);
