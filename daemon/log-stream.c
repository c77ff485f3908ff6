/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-stream.h"
#include "log-feed.h"
#include "util.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#define READ_LINES 1000
#define READ_SIZE  (32 * 1024) /* bytes; a reader that stops makes us hold them, in JSON up to six times */
#define AT_ONCE    64          /* lines of a feed in one write, and pipes in one turn of the loop */

/* Streams come and go */

static void count(LogStreams *streams, uid_t uid, int change)
{
        gpointer key = GUINT_TO_POINTER(uid);
        guint n = GPOINTER_TO_UINT(g_hash_table_lookup(streams->counts, key)) + (guint)change;

        if (n > 0)
                g_hash_table_insert(streams->counts, key, GUINT_TO_POINTER(n));
        else
                g_hash_table_remove(streams->counts, key);
}

static void stream_free(LogStream *s)
{
        LogStreams *streams = s->host->log_streams;

        if (s->reading)
                log_reading_cancel(s->reading);
        if (s->feed)
                log_feed_leave(s);
        close_fd(&s->fd);
        g_clear_pointer(&s->pending, g_bytes_unref);
        g_queue_unlink(&streams->all, &s->link);
        count(streams, s->uid, -1);
        log_unref(s->log);
        g_free(s->cursor);
        g_free(s);
}

static void stream_refuse(LogStream *s, const GError *error)
{
        if (s->opened)
                s->opened(-1, error, s->userdata);
        else
                g_warning("A reader of the log of %s gets no more of it: %s", s->log->name, error->message);
        stream_free(s);
}

static int stream_make_pipe(LogStream *s)
{
        struct epoll_event event = {.data.ptr = s}; /* its reader's end is always told */
        _cleanup_close_ int reader = -EBADF;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        reader = ends[0];
        s->fd = ends[1];
        /* Of this end alone: whoever reads may wait. */
        if (fcntl(s->fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0 ||
                epoll_ctl(s->host->log_streams->epoll, EPOLL_CTL_ADD, s->fd, &event) < 0)
                return -errno;
        s->opened(reader, NULL, s->userdata);
        s->opened = NULL;
        return 0;
}

/* Writing */

static void stream_set_blocked(LogStream *s, bool is_blocked)
{
        struct epoll_event event = {.events = is_blocked ? EPOLLOUT : 0, .data.ptr = s};

        if (s->is_blocked == is_blocked)
                return;
        s->is_blocked = is_blocked;
        (void)epoll_ctl(s->host->log_streams->epoll, EPOLL_CTL_MOD, s->fd, &event);
}

static void stream_set_pending(LogStream *s, GBytes *bytes, size_t offset)
{
        s->pending = bytes;
        s->offset = offset;
}

/* Returns: 1 when something was written, 0 when the pipe is full, or negative errno. */
static int write_pending(LogStream *s)
{
        gsize size;
        const char *bytes = g_bytes_get_data(s->pending, &size);
        ssize_t n = size > s->offset ? write(s->fd, bytes + s->offset, size - s->offset) : 0;

        if (n < 0)
                return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
        s->offset += (size_t)n;
        if (s->offset == size)
                g_clear_pointer(&s->pending, g_bytes_unref);
        return 1;
}

static bool is_wanted(const LogStream *s, const JournalLine *line)
{
        return line->time >= s->range.since && line->priority <= s->range.priority;
}

static void add_gap(LogStream *s, uint64_t after, const JournalLine *line, GByteArray *bytes)
{
        log_format_gap(s->format, after, line->time, bytes);
}

/* Before the feed's line of this number something may be missing, which is to be said once. */
static bool owes_gap(const LogStream *s, const FeedLine *line, uint64_t number)
{
        return (line->gap_after && s->gap_told != number) || s->has_gap;
}

static void tell_gap(LogStream *s, const FeedLine *line, uint64_t number)
{
        GByteArray *bytes = g_byte_array_new();

        add_gap(s, s->has_gap ? s->time : line->gap_after, line->line, bytes);
        s->gap_told = number;
        s->has_gap = false;
        stream_set_pending(s, g_byte_array_free_to_bytes(bytes), 0);
}

typedef struct Batch {
        struct iovec parts[AT_ONCE];
        GBytes *texts[AT_ONCE];
        uint64_t numbers[AT_ONCE]; /* of the feed's lines */
        unsigned n;
} Batch;

/* Finds the lines that are next. Returns: the number of the line behind them. */
static uint64_t gather(LogStream *s, Batch *batch)
{
        uint64_t number = s->next;
        FeedLine *line;

        for (; batch->n < AT_ONCE && (line = log_feed_line(s->feed, number)); number++) {
                GBytes *text;
                gsize size;

                if (owes_gap(s, line, number))
                        break;
                if (!is_wanted(s, line->line))
                        continue;
                text = feed_line_text(line, s->format);
                batch->parts[batch->n].iov_base = (void *)g_bytes_get_data(text, &size);
                batch->parts[batch->n].iov_len = size;
                batch->texts[batch->n] = text;
                batch->numbers[batch->n++] = number;
        }
        return number;
}

/* Takes what was written off the batch; what is left of a line is pending. */
static void batch_settle(LogStream *s, const Batch *batch, uint64_t next, size_t written)
{
        for (unsigned i = 0; i < batch->n; i++) {
                size_t size = batch->parts[i].iov_len;

                if (written >= size) {
                        written -= size;
                        continue;
                }
                s->next = batch->numbers[i];
                if (written > 0) {
                        s->next++;
                        stream_set_pending(s, g_bytes_ref(batch->texts[i]), written);
                }
                return;
        }
        s->next = next;
}

/* Takes lines of the feed. Returns: 1 when there may be more, 0 when there are none, -EAGAIN when the pipe is
 * full, or another negative errno. */
static int take_lines(LogStream *s)
{
        Batch batch = {};
        uint64_t next = gather(s, &batch);
        ssize_t n;

        if (batch.n == 0) {
                FeedLine *line = log_feed_line(s->feed, next);

                s->next = next;
                if (line)
                        tell_gap(s, line, next);
                return line != NULL;
        }
        n = writev(s->fd, batch.parts, (int)batch.n);
        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        batch_settle(s, &batch, next, (size_t)n);
        return 1;
}

/* Reading by itself */

static void take_read(LogStream *s, JournalRead *read)
{
        GByteArray *bytes = g_byte_array_new();

        s->has_gap = s->has_gap || read->is_gap;
        for (guint n = 0; n < read->lines->len; n++) {
                const JournalLine *line = read->lines->pdata[n];

                if (s->has_gap)
                        add_gap(s, s->time, line, bytes);
                s->has_gap = false;
                log_format_line(s->format, line, bytes);
        }
        stream_set_pending(s, g_byte_array_free_to_bytes(bytes), 0);
        g_free(s->cursor);
        s->cursor = g_steal_pointer(&read->cursor);
        if (!s->has_gap)
                s->time = *s->cursor ? read->time : s->read_at;
        s->is_read_out = read->is_end && !s->is_old;
        s->range.last = UINT64_MAX; /* that was for the first time */
}

static void on_read(JournalRead *read, const GError *error, void *userdata)
{
        LogStream *s = userdata;
        g_autoptr(GError) no_pipe = NULL;
        int r;

        s->reading = NULL;
        if (error) {
                stream_refuse(s, error);
                return;
        }
        take_read(s, read);
        s->is_old = false;
        r = s->opened ? stream_make_pipe(s) : 0;
        if (r < 0) {
                no_pipe = g_error_new(HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                        "There is no pipe to be had for the log of %s: %s", s->log->name, g_strerror(-r));
                stream_refuse(s, no_pipe);
                return;
        }
        log_stream_continue(s);
}

static void begin_reading(LogStream *s)
{
        s->range.cursor = s->cursor;
        s->read_at = host_now();
        /* Of the cursor that it was opened with the caller is told when it is gone. */
        s->reading =
                log_read(s->host, s->log, &s->range, !s->opened, READ_LINES, READ_SIZE, s->uid, on_read, s);
}

/* Returns: 1 when there may be something to write. */
static int read_more(LogStream *s)
{
        int r;

        if (!s->is_read_out) {
                begin_reading(s);
                return 0;
        }
        if (!s->follows)
                return -EPIPE;
        r = log_feed_join(s);
        if (r == -ESTALE) {
                begin_reading(s);
                return 0;
        }
        if (r < 0)
                g_warning("The log of %s cannot be followed: %s", s->log->name, g_strerror(-r));
        return r;
}

void log_stream_continue(LogStream *s)
{
        int r = 1;

        while (r > 0) {
                if (s->pending)
                        r = write_pending(s) ?: -EAGAIN;
                else if (s->reading || s->is_joining)
                        return;
                else
                        r = s->feed ? take_lines(s) : read_more(s);
        }
        if (r == -EAGAIN)
                stream_set_blocked(s, true);
        else if (r < 0)
                stream_free(s);
}

void log_open(Host *host, Log *log, const LogWish *wish, uid_t uid, LogOpened opened, void *userdata)
{
        guint n = GPOINTER_TO_UINT(g_hash_table_lookup(host->log_streams->counts, GUINT_TO_POINTER(uid)));
        LogStream *s;

        if (uid != 0 && n >= host->settings->max_log_readers) {
                g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_LIMIT_REACHED,
                        "User %u reads %u logs already, and the host allows no more (MaxLogReadersPerUser); "
                        "close some",
                        uid, n);

                opened(-1, error, userdata);
                return;
        }
        s = g_new0(LogStream, 1);
        *s = (LogStream){.host = host,
                .uid = uid,
                .log = log_ref(log),
                .format = wish->format,
                .follows = wish->follows,
                .range = wish->range,
                .cursor = g_strdup(wish->range.cursor),
                .opened = opened,
                .userdata = userdata,
                .fd = -EBADF};
        s->link.data = s->feed_link.data = s;
        g_queue_push_tail_link(&host->log_streams->all, &s->link);
        count(host->log_streams, uid, 1);
        begin_reading(s);
}

void log_streams_end(Host *host, const char *name)
{
        for (GList *at = host->log_streams->all.head, *next; at; at = next) {
                LogStream *s = at->data;

                next = at->next;
                if (!s->follows || !g_str_equal(s->log->name, name))
                        continue;
                s->follows = false;
                s->is_old = s->reading != NULL;
                if (s->feed)
                        log_feed_leave(s);
                s->is_read_out = false;
                if (!s->is_blocked)
                        log_stream_continue(s);
        }
}

/* The pipes */

static gboolean on_pipes(gint fd, GIOCondition condition, gpointer userdata)
{
        struct epoll_event events[AT_ONCE];
        int n = epoll_wait(fd, events, AT_ONCE, 0);

        for (int i = 0; i < n; i++) {
                LogStream *s = events[i].data.ptr;

                if (events[i].events & (EPOLLERR | EPOLLHUP)) {
                        stream_free(s);
                        continue;
                }
                stream_set_blocked(s, false);
                log_stream_continue(s);
        }
        return G_SOURCE_CONTINUE;
}

LogStreams *log_streams_new(void)
{
        LogStreams *streams = g_new0(LogStreams, 1);

        streams->epoll = epoll_create1(EPOLL_CLOEXEC);
        g_assert(streams->epoll >= 0);
        streams->source = g_unix_fd_add(streams->epoll, G_IO_IN, on_pipes, NULL);
        streams->counts = g_hash_table_new(NULL, NULL);
        streams->feeds = g_hash_table_new(g_str_hash, g_str_equal);
        return streams;
}

void log_streams_free(LogStreams *streams)
{
        while (streams->all.head)
                stream_free(streams->all.head->data);
        g_source_remove(streams->source);
        g_hash_table_unref(streams->counts);
        g_hash_table_unref(streams->feeds);
        close_fd(&streams->epoll);
        g_free(streams);
}
