/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of one instance or job: what its units print, and what systemd says of them. The lines are the
 * journal's; of a finished job the last ones are also put aside (job-log.c), and come from there when the
 * journal has let go of them.
 *
 * Reading waits for the disk and is done by threads, a few at once, in turns between users. */
#pragma once

#include "host.h"
#include "journal.h"

/* Threads have it too: nothing in it changes. */
typedef struct Log {
        gatomicrefcount references;
        char *name; /* for sentences, and the key of its feed: instance "arena" */
        JournalLines *which;
        char *first;  /* cursor in the journal of the first line put aside: "" when there are none, NULL when
                         nothing was put aside yet */
        GBytes *kept; /* those, as log_pack() made them */
} Log;

Log *log_new(char *name, JournalLines *which); /* takes both */
Log *log_ref(Log *log);
void log_unref(Log *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Log, log_unref)

/* Puts lines into a form that can be kept. */
GBytes *log_pack(const GPtrArray *lines);

typedef struct LogReading LogReading;
/* `read` is NULL when there is an error: HOST_ERROR_CURSOR_GONE or HOST_ERROR_SYSTEMD_FAILED. */
typedef void (*LogDone)(JournalRead *read, const GError *error, void *userdata);

/* See journal_read(). `range` is copied; `done` is called later, once. */
LogReading *log_read(Host *host, Log *log, const JournalRange *range, bool or_next, unsigned max, size_t size,
        uid_t uid, LogDone done, void *userdata);
/* `done` is not called. */
void log_reading_cancel(LogReading *reading);

Turns *log_turns_new(void);
