/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each kind of job is, and what happens when two jobs meet: one table, with a row for each kind. Pure:
 * rows of the store are read, and no host, unit or file is touched.
 *
 * A job meets those that are queued or running before it twice: when it is asked for, where it may join one
 * of them or be refused, and while it is queued, where it waits for each that it does not go beside. */
#pragma once

#include "store.h"

#define JOB_BUILD           "build"
#define JOB_IMPORT          "import"
#define JOB_PRUNE           "prune"
#define JOB_WIPE_CACHE      "wipe-cache"
#define JOB_DELETE_OVERLAY  "delete-overlay"
#define JOB_RESET_INSTANCE  "reset-instance"
#define JOB_DELETE_INSTANCE "delete-instance"
#define JOB_EMPTY_TRASH     "empty-trash"

typedef enum JobKind {
        JOB_KIND_BUILD,
        JOB_KIND_IMPORT,
        JOB_KIND_PRUNE,
        JOB_KIND_WIPE_CACHE,
        JOB_KIND_DELETE_OVERLAY,
        JOB_KIND_RESET_INSTANCE,
        JOB_KIND_DELETE_INSTANCE,
        JOB_KIND_EMPTY_TRASH,
        JOB_KINDS /* how many there are */
} JobKind;

typedef enum JobMeeting {
        JOB_BESIDE, /* it does not mind the other */
        JOB_AFTER,  /* it waits until the other has ended */
        JOB_JOIN,   /* the other does the same work: there is no new job, its requesters are one more */
        JOB_REFUSED /* HOST_ERROR_BUSY */
} JobMeeting;

typedef struct JobRule {
        const char *name;
        /* Sets of kinds, 1 << JobKind, that it meets on the same subject. It waits for those in none. */
        unsigned joins_queued, joins_running, refused_by;
        /* What it has made is nothing until it is published: it can be cancelled while it runs, and ends with
         * the host. */
        bool makes_generation;
        bool needs_filter;     /* systemd's address filter, which must work */
        bool waits_for_mounts; /* its overlay must not be mounted anywhere */
        const char *action;    /* polkit's, full: to ask for it, and to take one's own request back */
} JobRule;

extern const JobRule job_rules[JOB_KINDS];

/* Returns: -EINVAL when there is no such kind. */
int job_kind_from_string(const char *name);
/* What becomes of `job` because of the other, which was there before it. Both are of a known kind. */
JobMeeting job_rules_meet(const JobRow *job, const JobRow *earlier);
