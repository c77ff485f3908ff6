/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-internal.h"
#include "util.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define TEXT_MAX    (64 * 1024 - 1) /* bytes of a line; journald breaks what is printed at 48 KiB (LineMax=) */
#define LOOK_MAX    20000           /* lines that one journal_read() looks at, when it has found its first */
#define SYNC_SOCKET "/run/systemd/journal/io.systemd.journal"
#define SYNC_LIMIT  10 /* seconds */

JournalLines *journal_lines_new(char **units, uint64_t since)
{
        JournalLines *which = g_new(JournalLines, 1);

        *which = (JournalLines){units, since};
        return which;
}

void journal_lines_free(JournalLines *which)
{
        if (!which)
                return;
        g_strfreev(which->units);
        g_free(which);
}

JournalLine *journal_line_new(uint64_t time, uint32_t priority, GBytes *text, char *cursor)
{
        JournalLine *line = g_new(JournalLine, 1);

        *line = (JournalLine){time, priority, text, cursor};
        return line;
}

void journal_line_free(JournalLine *line)
{
        if (!line)
                return;
        g_bytes_unref(line->text);
        g_free(line->cursor);
        g_free(line);
}

static int match(sd_journal *journal, const char *field, const char *value)
{
        g_autofree char *text = g_strconcat(field, "=", value, NULL);

        return sd_journal_add_match(journal, text, 0);
}

/* Not by _SYSTEMD_INVOCATION_ID: journald cannot tell it for a process that was gone before its line was
 * read. */
static int match_printed(sd_journal *journal, const JournalLines *which)
{
        int r = 0;

        for (char **unit = which->units; r >= 0 && *unit; unit++)
                r = match(journal, "_SYSTEMD_UNIT", *unit);
        return r;
}

static int match_about(sd_journal *journal, const JournalLines *which)
{
        int r = match(journal, "_PID", "1");

        for (char **unit = which->units; r >= 0 && *unit; unit++)
                r = match(journal, "UNIT", *unit);
        return r;
}

int journal_open_lines(const JournalLines *which, bool only_printed, sd_journal **ret_journal)
{
        g_autoptr(sd_journal) journal = NULL;
        int r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

        if (r >= 0)
                r = sd_journal_set_data_threshold(journal, TEXT_MAX);
        if (r >= 0)
                r = match_printed(journal, which);
        if (only_printed && r >= 0)
                r = match(journal, "_TRANSPORT", "stdout");
        if (!only_printed && r >= 0)
                r = sd_journal_add_disjunction(journal);
        if (!only_printed && r >= 0)
                r = match_about(journal, which);
        if (r < 0)
                return r;
        *ret_journal = g_steal_pointer(&journal);
        return 0;
}

/* Returns: 0 and the field's value, valid until the journal moves on. */
static int get_field(sd_journal *journal, const char *field, const char **ret_value, size_t *ret_size)
{
        const void *data;
        size_t size, skipped = strlen(field) + 1;
        int r = sd_journal_get_data(journal, field, &data, &size);

        if (r < 0)
                return r;
        *ret_value = (const char *)data + skipped;
        *ret_size = size - skipped;
        return 0;
}

bool journal_is_since(sd_journal *journal, const JournalLines *which)
{
        uint64_t time;

        return sd_journal_get_realtime_usec(journal, &time) >= 0 && time >= which->since;
}

bool journal_seek_entry(sd_journal *journal, const char *cursor)
{
        return sd_journal_seek_cursor(journal, cursor) >= 0 && sd_journal_next(journal) > 0 &&
               sd_journal_test_cursor(journal, cursor) > 0;
}

static uint32_t get_priority(sd_journal *journal)
{
        const char *priority;
        size_t size;

        if (get_field(journal, "PRIORITY", &priority, &size) >= 0 && size == 1 && *priority >= '0' &&
                *priority <= '7')
                return (uint32_t)(*priority - '0');
        return 6; /* info */
}

JournalLine *journal_take_line(sd_journal *journal)
{
        const char *text;
        size_t size;
        uint32_t priority;
        uint64_t time;
        char *cursor;

        if (sd_journal_get_realtime_usec(journal, &time) < 0 || sd_journal_get_cursor(journal, &cursor) < 0)
                return NULL;
        priority = get_priority(journal);
        if (get_field(journal, "MESSAGE", &text, &size) < 0) {
                g_free(cursor);
                return NULL;
        }
        return journal_line_new(time, priority, g_bytes_new(text, MIN(size, TEXT_MAX)), cursor);
}

static bool is_wanted(sd_journal *journal, const JournalRange *range)
{
        uint64_t time;

        return sd_journal_get_realtime_usec(journal, &time) >= 0 && time >= range->since;
}

static bool is_behind(sd_journal *journal, const JournalRange *range)
{
        uint64_t time;

        return sd_journal_get_realtime_usec(journal, &time) >= 0 && time > range->until;
}

void journal_read_clear(JournalRead *read)
{
        g_clear_pointer(&read->lines, g_ptr_array_unref);
        g_clear_pointer(&read->cursor, g_free);
}

/* The caller may have spelled its cursor in another way than the journal does. */
static int take_place(sd_journal *journal, JournalRead *read)
{
        int r;

        g_clear_pointer(&read->cursor, g_free);
        r = sd_journal_get_cursor(journal, &read->cursor);
        return r < 0 ? r : sd_journal_get_realtime_usec(journal, &read->time);
}

/* Where reading has come to: before the next line, or at one that is to be read. */
typedef enum Place { PLACE_BETWEEN, PLACE_AT } Place;

static int seek(sd_journal *journal, const JournalLines *which, const JournalRange *range, bool or_next,
        JournalRead *read)
{
        int r;

        if (!*range->cursor) {
                r = sd_journal_seek_realtime_usec(journal, MAX(which->since, range->since));
                return r < 0 ? r : PLACE_BETWEEN;
        }
        r = sd_journal_seek_cursor(journal, range->cursor);
        if (r < 0)
                return -ESTALE; /* it is no cursor */
        r = sd_journal_next(journal);
        /* The entry must be one of those meant: another's gives nothing. */
        if (r > 0 && sd_journal_test_cursor(journal, range->cursor) > 0 && journal_is_since(journal, which)) {
                r = take_place(journal, read);
                return r < 0 ? r : PLACE_BETWEEN;
        }
        if (!or_next)
                return -ESTALE;
        read->is_gap = true;
        return r < 0 ? r : r == 0 ? PLACE_BETWEEN : PLACE_AT;
}

/* From the end back to the first of the last lines; where they are fewer than wanted, as seek(). It looks at
 * as many as it takes, so it copies none that is not urgent enough. */
static int seek_last(
        sd_journal *journal, const JournalLines *which, const JournalRange *range, JournalRead *read)
{
        uint64_t n = 0;
        int r = range->until == UINT64_MAX ? sd_journal_seek_tail(journal)
                                           : sd_journal_seek_realtime_usec(journal, range->until);

        while (r >= 0 && (r = sd_journal_previous(journal)) > 0 && journal_is_since(journal, which) &&
                is_wanted(journal, range) &&
                !(*range->cursor && sd_journal_test_cursor(journal, range->cursor) > 0)) {
                g_autoptr(JournalLine) line =
                        get_priority(journal) <= range->priority ? journal_take_line(journal) : NULL;

                if (line && ++n == range->last)
                        return PLACE_AT;
        }
        return r < 0 ? r : seek(journal, which, range, true, read);
}

/* Returns: the last line there is, or NULL. */
static JournalLine *find_tail(sd_journal *journal, const JournalLines *which)
{
        if (sd_journal_seek_tail(journal) >= 0 && sd_journal_previous(journal) > 0 &&
                journal_is_since(journal, which))
                return journal_take_line(journal);
        return NULL;
}

/* Reads on from the place. Returns: 0 at the end, 1 when there is more, or negative errno. */
static int read_on(sd_journal *journal, const JournalLines *which, const JournalRange *range, Place place,
        unsigned max, size_t size, JournalRead *read)
{
        for (unsigned looked_at = 0;; looked_at++) {
                g_autoptr(JournalLine) line = NULL;
                int r = place == PLACE_AT ? 1 : sd_journal_next(journal);

                place = PLACE_BETWEEN;
                if (r <= 0)
                        return r;
                if (is_behind(journal, range))
                        return 0;
                if (read->lines->len == max || size == 0 || looked_at == LOOK_MAX)
                        return 1;
                line = journal_is_since(journal, which) ? journal_take_line(journal) : NULL;
                if (!line)
                        continue;
                g_free(read->cursor);
                read->cursor = g_strdup(line->cursor);
                read->time = line->time;
                if (!is_wanted(journal, range) || line->priority > range->priority)
                        continue;
                size -= MIN(size, g_bytes_get_size(line->text) + strlen(line->cursor));
                g_ptr_array_add(read->lines, g_steal_pointer(&line));
        }
}

/* Old files are deleted first: while the first line is there, nothing behind it is gone. Else sd-journal may
 * have passed over a file in silence. */
static bool is_complete(sd_journal *journal, const JournalRange *range, const JournalRead *read)
{
        const char *first = read->lines->len ? ((JournalLine *)read->lines->pdata[0])->cursor : "";
        const char *anchor = *range->cursor && !read->is_gap ? range->cursor : first;

        return !*anchor || journal_seek_entry(journal, anchor);
}

int journal_read(const JournalLines *which, const JournalRange *range, bool or_next, unsigned max,
        size_t size, JournalRead *ret)
{
        g_autoptr(sd_journal) journal = NULL;
        g_auto(JournalRead) read = {.cursor = g_strdup(range->cursor)};
        g_autoptr(JournalLine) tail = NULL;
        int r = journal_open_lines(which, false, &journal);

        if (r < 0)
                return r;
        read.lines = g_ptr_array_new_with_free_func((GDestroyNotify)journal_line_free);
        tail = find_tail(journal, which); /* first: what comes meanwhile is read, or is behind it */
        r = seek(journal, which, range, or_next, &read);
        if (r >= 0 && range->last > 0) {
                if (range->last < UINT64_MAX)
                        r = seek_last(journal, which, range, &read);
                if (r >= 0)
                        r = read_on(journal, which, range, (Place)r, max, size, &read);
        } else if (r >= 0)
                r = 0;
        if (r >= 0 && !is_complete(journal, range, &read))
                r = -EAGAIN;
        if (r < 0)
                return r;
        /* Where nothing was looked at, what comes next comes behind what there was. */
        if (range->last == 0 || (read.is_gap ? read.time == 0 : !*read.cursor)) {
                g_free(read.cursor);
                read.cursor = g_strdup(tail ? tail->cursor : "");
                read.time = tail ? tail->time : 0;
        }
        read.is_end = r == 0;
        *ret = read;
        read = (JournalRead){};
        return 0;
}

bool journal_has(const JournalLines *which, const char *cursor)
{
        g_auto(JournalRead) none = {};
        JournalRange range = JOURNAL_ALL;

        range.cursor = cursor;
        return journal_read(which, &range, false, 0, 0, &none) >= 0;
}

static void reverse(GPtrArray *array)
{
        for (guint n = 0; n < array->len / 2; n++) {
                gpointer first = array->pdata[n];

                array->pdata[n] = array->pdata[array->len - 1 - n];
                array->pdata[array->len - 1 - n] = first;
        }
}

int journal_read_tail(const JournalLines *which, size_t size, GPtrArray **ret_lines)
{
        g_autoptr(sd_journal) journal = NULL;
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func((GDestroyNotify)journal_line_free);
        int r = journal_open_lines(which, false, &journal);

        if (r >= 0)
                r = sd_journal_seek_tail(journal);
        while (r >= 0 && (r = sd_journal_previous(journal)) > 0 && journal_is_since(journal, which)) {
                JournalLine *line = journal_take_line(journal);

                if (!line)
                        continue;
                if (g_bytes_get_size(line->text) + 1 > size) {
                        journal_line_free(line);
                        break;
                }
                size -= g_bytes_get_size(line->text) + 1;
                g_ptr_array_add(lines, line);
        }
        if (r < 0)
                return r;
        reverse(lines);
        *ret_lines = g_steal_pointer(&lines);
        return 0;
}

/* One call in Varlink, which is JSON up to a NUL byte: what journalctl --sync does. */
static int call_synchronize(int fd)
{
        static const char call[] = "{\"method\":\"io.systemd.Journal.Synchronize\",\"parameters\":{}}";
        char answer[1024];
        size_t size = 0;

        if (send(fd, call, sizeof(call), MSG_NOSIGNAL) != (ssize_t)sizeof(call))
                return errno ? -errno : -EIO;
        do {
                ssize_t n = recv(fd, answer + size, sizeof(answer) - size, 0);

                if (n <= 0)
                        return n < 0 ? -errno : -ECONNRESET;
                size += (size_t)n;
        } while (answer[size - 1] && size < sizeof(answer));
        return answer[size - 1] || strstr(answer, "\"error\"") ? -EPROTO : 0;
}

int journal_synchronize(void)
{
        static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SYNC_SOCKET};
        static const struct timeval limit = {.tv_sec = SYNC_LIMIT};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
                connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return call_synchronize(fd);
}
