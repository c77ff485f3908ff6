/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A feed follows one log for all streams that have come to its end: each line is read and put into form once,
 * however many there are. It keeps the newest lines for a while; a stream that has not taken them by then
 * leaves, and reads on by itself. There is a feed while it has streams. */
#pragma once

#include "log-stream-internal.h"

/* Has the stream told of lines from its cursor on. Returns: 1 when it is in the feed now; 0 when it may be
 * later, or will be told to read again (log_stream_continue()); -ESTALE when it must read again now; another
 * negative errno when the journal cannot be followed. */
int log_feed_join(LogStream *stream);
/* Also of one that is about to join. It reads on by itself from where it is. */
void log_feed_leave(LogStream *stream);

/* A line that a stream in the feed is to take next. */
typedef struct FeedLine {
        JournalLine *line;
        uint64_t gap_after;          /* lines may be missing between this time and the line's; 0: none are */
        GBytes *text[N_LOG_FORMATS]; /* NULL: not put into this form yet */
} FeedLine;
/* Returns: the line of this number, or NULL when there is none yet. */
FeedLine *log_feed_line(LogFeed *feed, uint64_t number);
GBytes *feed_line_text(FeedLine *line, LogFormat format);
