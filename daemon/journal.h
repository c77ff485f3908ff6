/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that reads the journal. Lines are chosen by fields that journald sets itself, so that no
 * process can put a line into the log of another: the unit that printed it, or what systemd says of that
 * unit.
 *
 * What is declared here waits for the disk and is for threads. Who wants to be told of new lines follows the
 * journal (journal-follow.h), which reads a little at a time in the main loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Which lines are meant. */
typedef struct JournalLines {
        char **units;
        uint64_t since; /* none from before, in microseconds, CLOCK_REALTIME */
} JournalLines;
JournalLines *journal_lines_new(char **units, uint64_t since); /* takes the strv */
void journal_lines_free(JournalLines *which);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalLines, journal_lines_free)

typedef struct JournalLine {
        uint64_t time;     /* microseconds, CLOCK_REALTIME */
        uint32_t priority; /* as syslog(3) counts them */
        GBytes *text;      /* as printed, without the newline */
        char *cursor;      /* reading goes on behind this line */
} JournalLine;
JournalLine *journal_line_new(uint64_t time, uint32_t priority, GBytes *text, char *cursor); /* takes both */
void journal_line_free(JournalLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalLine, journal_line_free)

/* Which of these lines are wanted now. */
typedef struct JournalRange {
        const char *cursor;    /* those behind this line; "": from the first one on */
        uint64_t since, until; /* microseconds, CLOCK_REALTIME */
        uint64_t last;         /* of all these so many, the last ones */
        uint32_t priority;     /* this one and more urgent ones */
} JournalRange;
#define JOURNAL_ALL ((JournalRange){"", 0, UINT64_MAX, UINT64_MAX, 7})

typedef struct JournalRead {
        GPtrArray *lines; /* JournalLine */
        char *cursor;     /* of the last line that was looked at, wanted or not; reading goes on behind it */
        uint64_t time;    /* of that line */
        bool is_end;      /* there are no more by now */
        bool is_gap;      /* the line to read on behind is gone, and others may be with it */
} JournalRead;
void journal_read_clear(JournalRead *read);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JournalRead, journal_read_clear)

/* Reads at most `max` lines, and no more when they are `size` bytes with their cursors. `or_next`: when the
 * cursor's line is gone, reads on at the first line behind it that is there.
 * Returns: 0; -ESTALE when none of these lines has this cursor (any more); -EAGAIN when lines were deleted
 * while they were read; or another negative errno. */
int journal_read(const JournalLines *which, const JournalRange *range, bool or_next, unsigned max,
        size_t size, JournalRead *ret);
/* Whether one of these lines has this cursor. */
bool journal_has(const JournalLines *which, const char *cursor);
/* Reads the last whole lines that make up at most `size` bytes, newlines counted. */
int journal_read_tail(const JournalLines *which, size_t size, GPtrArray **ret_lines);

/* Waits until what was printed before is in the journal: journald reads it with a delay. For threads; some
 * seconds at most. Returns: 0 or negative errno. */
int journal_synchronize(void);
