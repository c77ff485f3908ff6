/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a deletion that touch files and mounts, done on a thread of their own: what a deletion job has
 * to delete, moved to the trash, staged for the unit that empties it, and removed when it is empty. */
#pragma once

#include "host.h"

typedef struct Trash {
        int state_fd, staging_fd;
        uint64_t job;
        char *slot_user;
        uid_t server_uid;
        GArray *trees;          /* of a type of trash-work.c */
        GPtrArray *directories; /* char *: root's own directories to remove in the end, deepest first */
        GPtrArray *names;       /* char *: the directories in .trash to empty; the job's own is the first */
        GArray *spared;         /* uint64_t: not NULL: what other jobs left goes too, but not that of these */
        uint64_t newest;        /* nor of any above it */
        char *overlay;          /* the overlay's directory when all of it goes, or NULL */
        char *instance;         /* the instance when all of it goes, or NULL */
        char *layers;           /* the layers directory whose `work` goes too, or NULL */
        unsigned n_staged;
        /* How the unit ended that did not empty all of it, NULL: it did. What holds something stays then. */
        char *failure, *failure_message;
        int exit_status;
        int result;
        char *message;
} Trash;

Trash *trash_new(const Host *host, uint64_t job, unsigned slot);
void trash_free(Trash *trash);
void trash_add_overlay(Trash *trash, uint64_t id);
void trash_add_cache(Trash *trash, uint64_t overlay);
void trash_add_generation(Trash *trash, uint64_t overlay, uint64_t number);
void trash_add_instance(Trash *trash, const char *name, bool whole);

/* For job_run_in_thread(), on a Trash. `result` is 0 or negative errno, then with a message. */
/* Moves everything and stages `n_staged` trees, 0 to n_staged - 1. */
void trash_stage(void *trash);
/* Removes what is left when these are empty; the empty ones alone where not all are. */
void trash_remove(void *trash);
