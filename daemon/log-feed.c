/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-feed.h"
#include "journal-follow.h"

#include <errno.h>

/* Bytes of lines that wait for slower streams. In each form that was asked for they are there once more: as
 * printed that is as much again, in JSON it can be six times as much. */
#define KEEP_SIZE (256 * 1024)
#define LINE_COST 256 /* bytes that a line takes besides its text, about */

struct LogFeed {
        LogStreams *streams;
        char *name;
        JournalFollower *follower;
        GPtrArray *lines; /* FeedLine */
        uint64_t first;   /* number of the first of them */
        size_t size;
        char *before;           /* cursor of the line before it, "": there was none */
        uint64_t time;          /* of the last line */
        GQueue joined, joining; /* LogStream */
        bool is_telling;        /* it looks at its streams, and goes when it has done so */
};

static void feed_line_free(FeedLine *line)
{
        journal_line_free(line->line);
        for (unsigned n = 0; n < N_LOG_FORMATS; n++)
                g_clear_pointer(&line->text[n], g_bytes_unref);
        g_free(line);
}

FeedLine *log_feed_line(LogFeed *feed, uint64_t number)
{
        uint64_t index = number - feed->first;

        return index < feed->lines->len ? feed->lines->pdata[index] : NULL;
}

GBytes *feed_line_text(FeedLine *line, LogFormat format)
{
        if (!line->text[format]) {
                GByteArray *bytes = g_byte_array_new();

                log_format_line(format, line->line, bytes);
                line->text[format] = g_byte_array_free_to_bytes(bytes);
        }
        return line->text[format];
}

static size_t cost(const FeedLine *line)
{
        return g_bytes_get_size(line->line->text) + LINE_COST;
}

static uint64_t end(const LogFeed *feed)
{
        return feed->first + feed->lines->len;
}

static void feed_free(LogFeed *feed)
{
        g_hash_table_remove(feed->streams->feeds, feed->name);
        journal_follower_free(feed->follower);
        g_ptr_array_unref(feed->lines);
        g_free(feed->before);
        g_free(feed->name);
        g_free(feed);
}

static void feed_free_unused(LogFeed *feed)
{
        if (feed->joined.length == 0 && feed->joining.length == 0)
                feed_free(feed);
}

/* Joining and leaving */

static void enter(LogFeed *feed, LogStream *s, uint64_t next)
{
        if (s->is_joining)
                g_queue_unlink(&feed->joining, &s->feed_link);
        s->is_joining = s->has_refreshed = false;
        s->feed = feed;
        s->next = next;
        s->gap_told = UINT64_MAX;
        g_queue_push_tail_link(&feed->joined, &s->feed_link);
}

void log_feed_leave(LogStream *s)
{
        LogFeed *feed = s->feed;

        g_queue_unlink(s->is_joining ? &feed->joining : &feed->joined, &s->feed_link);
        if (!s->is_joining && s->next > feed->first) {
                const JournalLine *line = log_feed_line(feed, s->next - 1)->line;

                g_free(s->cursor);
                s->cursor = g_strdup(line->cursor);
                s->time = line->time;
        } else if (!s->is_joining) {
                g_free(s->cursor);
                s->cursor = g_strdup(feed->before);
        }
        s->feed = NULL;
        s->is_joining = s->has_refreshed = s->is_read_out = false;
        if (!feed->is_telling)
                feed_free_unused(feed);
}

/* Whether the stream has been where the feed has been, and if so, where. */
static bool find_place(const LogFeed *feed, const LogStream *s, uint64_t *ret_next)
{
        if (g_str_equal(s->cursor, feed->before)) {
                *ret_next = feed->first;
                return true;
        }
        for (guint n = feed->lines->len; n > 0; n--) {
                const JournalLine *line = ((FeedLine *)feed->lines->pdata[n - 1])->line;

                /* It has seen an empty log: those that came after that are its. */
                if (*s->cursor ? g_str_equal(line->cursor, s->cursor) : line->time < s->time) {
                        *ret_next = feed->first + n;
                        return true;
                }
        }
        *ret_next = feed->first;
        return !*s->cursor;
}

static void feed_told(JournalLine *line, bool is_gap, void *userdata)
{
        LogFeed *feed = userdata;
        FeedLine *l = g_new0(FeedLine, 1);

        *l = (FeedLine){.line = line, .gap_after = is_gap ? MAX(feed->time, 1) : 0};
        feed->time = line->time;
        feed->size += cost(l);
        g_ptr_array_add(feed->lines, l);
        for (GList *at = feed->joining.head, *next; at; at = next) {
                LogStream *s = at->data;

                next = at->next;
                if (g_str_equal(s->cursor, line->cursor))
                        enter(feed, s, end(feed));
        }
}

/* It gives what there is, and ends. */
static void let_end(LogStream *s)
{
        s->follows = false;
        log_feed_leave(s);
}

/* Those that are about to join and have not found their place: the feed has passed it, or does not know of
 * its file yet, or reads no more. `r` is the follower's. */
static void send_back(LogFeed *feed, int r)
{
        bool must_refresh = false;

        for (GList *at = feed->joining.head, *next; at; at = next) {
                LogStream *s = at->data;

                next = at->next;
                if (r > 0 && s->time >= feed->time)
                        continue;
                if (r == 0 && !s->has_refreshed) {
                        must_refresh = s->has_refreshed = true;
                        continue;
                }
                if (r < 0)
                        let_end(s);
                else
                        log_feed_leave(s);
                log_stream_continue(s);
        }
        if (must_refresh)
                journal_follower_refresh(feed->follower);
}

/* Lets go of lines. Streams that have not taken them go on by themselves when their pipe has room. */
static void trim(LogFeed *feed)
{
        uint64_t first = feed->first;

        for (; feed->size > KEEP_SIZE && first < end(feed); first++)
                feed->size -= cost(log_feed_line(feed, first));
        for (GList *at = feed->joined.head, *next; at; at = next) {
                LogStream *s = at->data;

                next = at->next;
                if (s->next < first)
                        log_feed_leave(s);
        }
        if (first == feed->first)
                return;
        g_free(feed->before);
        feed->before = g_strdup(log_feed_line(feed, first - 1)->line->cursor);
        g_ptr_array_remove_range(feed->lines, 0, (guint)(first - feed->first));
        feed->first = first;
}

static void feed_rest(int r, void *userdata)
{
        LogFeed *feed = userdata;

        feed->is_telling = true;
        send_back(feed, r);
        for (GList *at = feed->joined.head, *next; at; at = next) {
                LogStream *s = at->data;

                next = at->next;
                if (r < 0)
                        let_end(s);
                if (!s->is_blocked)
                        log_stream_continue(s);
        }
        trim(feed);
        feed->is_telling = false;
        feed_free_unused(feed);
}

static int feed_new(LogStreams *streams, const LogStream *s, LogFeed **ret_feed)
{
        LogFeed *feed = g_new0(LogFeed, 1);
        JournalListener listener = {feed_told, feed_rest, feed};
        int r;

        feed->streams = streams;
        feed->name = g_strdup(s->log->name);
        feed->lines = g_ptr_array_new_with_free_func((GDestroyNotify)feed_line_free);
        feed->before = g_strdup(s->cursor);
        feed->time = s->time;
        g_hash_table_insert(streams->feeds, feed->name, feed);
        r = journal_follow(s->log->which, s->cursor, &listener, &feed->follower);
        if (r < 0)
                feed_free(feed);
        else
                *ret_feed = feed;
        return r;
}

int log_feed_join(LogStream *s)
{
        LogStreams *streams = s->host->log_streams;
        LogFeed *feed = g_hash_table_lookup(streams->feeds, s->log->name);
        uint64_t next;

        if (!feed) {
                int r = feed_new(streams, s, &feed);

                if (r < 0)
                        return r;
        }
        if (find_place(feed, s, &next)) {
                enter(feed, s, next);
                return 1;
        }
        if (s->time < feed->time)
                return -ESTALE;
        s->feed = feed;
        s->is_joining = true;
        g_queue_push_tail_link(&feed->joining, &s->feed_link);
        journal_follower_look(feed->follower);
        return 0;
}
