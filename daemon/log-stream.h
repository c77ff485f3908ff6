/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: logs that OpenLog hands out as pipes. Each has the read end of one, which is filled as it is
 * emptied: a reader that stops stalls itself alone. What it has not taken yet is in the journal, and is read
 * on from there by its cursor; so nothing is lost unless the journal lets go of it meanwhile, and then the
 * reader is told.
 *
 *   reading by itself, by a thread, some 32 KiB at a time  ->  at the end: the pipe is closed,
 *          ^                                                   or it joins the log's feed (log-feed.h)
 *          |______ too slow for the feed ______________________________|
 */
#pragma once

#include "log-format.h"
#include "log.h"

/* What OpenLog is asked for. */
typedef struct LogWish {
        JournalRange range;
        LogFormat format;
        bool follows;
} LogWish;

typedef struct LogStreams LogStreams;
LogStreams *log_streams_new(void);
void log_streams_free(LogStreams *streams);

/* `fd` stays the stream's: whoever wants to keep it makes a copy. Negative with an error. */
typedef void (*LogOpened)(int fd, const GError *error, void *userdata);

/* Calls `opened` once, maybe at once. HOST_ERROR_LIMIT_REACHED, HOST_ERROR_CURSOR_GONE or
 * HOST_ERROR_SYSTEMD_FAILED. */
void log_open(Host *host, Log *log, const LogWish *wish, uid_t uid, LogOpened opened, void *userdata);
/* Nothing more comes to the log of this name: its streams end when they have given what there is. */
void log_streams_end(Host *host, const char *name);
