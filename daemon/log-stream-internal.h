/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What streams and feeds know of each other. */
#pragma once

#include "log-stream.h"

typedef struct LogFeed LogFeed;

struct LogStreams {
        int epoll; /* the pipes' write ends: the loop's own poll() would look at each of them every time */
        guint source;
        GQueue all;         /* LogStream */
        GHashTable *counts; /* uid -> number of streams */
        GHashTable *feeds;  /* name of a log -> LogFeed */
};

typedef struct LogStream {
        Host *host;
        GList link; /* in LogStreams.all */
        uid_t uid;
        Log *log;
        LogFormat format;
        bool follows;
        JournalRange range;  /* what is to be read next; its cursor is the one below */
        char *cursor;        /* of the last line that was taken or passed */
        uint64_t time;       /* of that line */
        LogReading *reading; /* at work, or NULL */
        uint64_t read_at;    /* when that began */
        bool is_read_out;    /* the last reading has come to the end */
        bool is_old;         /* the one at work began before the last lines were there */
        bool has_gap;        /* before the next line */
        uint64_t gap_told;   /* number of the feed's line before which it was told last */
        LogOpened opened;    /* until there is a pipe */
        void *userdata;
        int fd;          /* the pipe's write end */
        bool is_blocked; /* the pipe is full */
        GBytes *pending; /* what is to be written next, from `offset` on */
        size_t offset;

        LogFeed *feed;
        GList feed_link; /* in the feed's streams, or among those that are about to join */
        bool is_joining;
        bool has_refreshed; /* the feed was asked to look at all files for it */
        uint64_t next;      /* number of the feed's line to be taken next */
} LogStream;

/* Writes what there is, and sees to more. May free the stream. */
void log_stream_continue(LogStream *stream);
