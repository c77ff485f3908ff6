/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-bus.h"
#include "options.h"
#include "sd-autoptr.h"

#include "dbus/names.h"

#define ANSWER_LINES 1000
#define ANSWER_SIZE  (1024 * 1024) /* bytes */

static int append_lines(sd_bus_message *answer, const GPtrArray *lines)
{
        int r = sd_bus_message_open_container(answer, 'a', "(tuays)");

        for (guint n = 0; r >= 0 && n < lines->len; n++) {
                const JournalLine *line = lines->pdata[n];
                gsize size;
                gconstpointer text = g_bytes_get_data(line->text, &size);

                r = sd_bus_message_open_container(answer, 'r', "tuays");
                if (r >= 0)
                        r = sd_bus_message_append(answer, "tu", line->time, line->priority);
                if (r >= 0)
                        r = sd_bus_message_append_array(answer, 'y', text, size);
                if (r >= 0)
                        r = sd_bus_message_append(answer, "s", line->cursor);
                if (r >= 0)
                        r = sd_bus_message_close_container(answer);
        }
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

/* Returns: NULL when the call has failed and is over. */
static sd_bus_message *begin_answer(Call *call, const GError *error)
{
        sd_bus_message *answer = NULL;
        int r;

        if (error) {
                call_fail(call, error);
                return NULL;
        }
        r = sd_bus_message_new_method_return(call->message, &answer);
        if (r < 0)
                call_reply_message(call, NULL, r);
        return answer;
}

static void on_log_read(JournalRead *read, const GError *error, void *userdata)
{
        Call *call = userdata;
        g_autoptr(sd_bus_message) answer = begin_answer(call, error);
        int r;

        if (!answer)
                return;
        r = append_lines(answer, read->lines);
        if (r >= 0)
                r = sd_bus_message_append(answer, "sb", read->cursor, (int)read->is_end);
        call_reply_message(call, answer, r);
}

/* They are kept as long as the log is read. */
static bool is_too_long(const char *cursor)
{
        return strlen(cursor) > CURSOR_MAX;
}

int log_bus_read(Call *call, Host *host, Log *log)
{
        JournalRange range = JOURNAL_ALL;
        uint32_t max = 0;

        (void)sd_bus_message_read(
                call->message, "su", &range.cursor, &max); /* the gate has checked the types */
        if (is_too_long(range.cursor)) {
                g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "The cursor for the log of %s has more than %d bytes; give one that the log had",
                        log->name, CURSOR_MAX);

                return call_fail(call, error);
        }
        (void)log_read(host, log, &range, false, max ? MIN(max, ANSWER_LINES) : ANSWER_LINES, ANSWER_SIZE,
                call_uid(call), on_log_read, call);
        return 1;
}

static gboolean refuse(GError **error, const char *option, const char *wanted)
{
        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "The option \"%s\" must be %s", option,
                wanted);
        return FALSE;
}

static gboolean read_format(sd_bus_message *m, void *target, GError **error)
{
        const char *word;

        return (sd_bus_message_read(m, "s", &word) >= 0 &&
                       log_format_parse(word, &((LogWish *)target)->format)) ||
               refuse(error, HOST_OPTION_FORMAT, "\"" HOST_LOG_CAT "\" or \"" HOST_LOG_JSON "\"");
}

static gboolean read_follow(sd_bus_message *m, void *target, GError **error)
{
        int follows;

        if (sd_bus_message_read(m, "b", &follows) < 0)
                return refuse(error, HOST_OPTION_FOLLOW, "true or false");
        ((LogWish *)target)->follows = follows;
        return TRUE;
}

static gboolean read_since(sd_bus_message *m, void *target, GError **error)
{
        return sd_bus_message_read(m, "t", &((LogWish *)target)->range.since) >= 0 ||
               refuse(error, HOST_OPTION_SINCE, "a time");
}

static gboolean read_until(sd_bus_message *m, void *target, GError **error)
{
        return sd_bus_message_read(m, "t", &((LogWish *)target)->range.until) >= 0 ||
               refuse(error, HOST_OPTION_UNTIL, "a time");
}

static gboolean read_lines(sd_bus_message *m, void *target, GError **error)
{
        uint32_t n;

        if (sd_bus_message_read(m, "u", &n) < 0)
                return refuse(error, HOST_OPTION_LINES, "a number");
        ((LogWish *)target)->range.last = n;
        return TRUE;
}

static gboolean read_priority(sd_bus_message *m, void *target, GError **error)
{
        uint32_t *priority = &((LogWish *)target)->range.priority;

        return (sd_bus_message_read(m, "u", priority) >= 0 && *priority <= 7) ||
               refuse(error, HOST_OPTION_PRIORITY, "a number from 0 to 7");
}

static gboolean read_cursor(sd_bus_message *m, void *target, GError **error)
{
        const char **cursor = &((LogWish *)target)->range.cursor;

        return (sd_bus_message_read(m, "s", cursor) >= 0 && !is_too_long(*cursor)) ||
               refuse(error, HOST_OPTION_CURSOR, "a cursor of at most " G_STRINGIFY(CURSOR_MAX) " bytes");
}

gboolean log_bus_read_wish(sd_bus_message *m, LogWish *ret, GError **error)
{
        static const Option options[] = {
                {HOST_OPTION_FORMAT, "s", read_format},
                {HOST_OPTION_FOLLOW, "b", read_follow},
                {HOST_OPTION_SINCE, "t", read_since},
                {HOST_OPTION_UNTIL, "t", read_until},
                {HOST_OPTION_LINES, "u", read_lines},
                {HOST_OPTION_PRIORITY, "u", read_priority},
                {HOST_OPTION_CURSOR, "s", read_cursor},
                {},
        };

        *ret = (LogWish){.range = JOURNAL_ALL};
        if (!options_read(m, options, ret, error))
                return FALSE;
        if (ret->follows && ret->range.until < UINT64_MAX)
                return refuse(error, HOST_OPTION_UNTIL, "left out with \"" HOST_OPTION_FOLLOW "\"");
        return TRUE;
}

static void on_log_opened(int fd, const GError *error, void *userdata)
{
        Call *call = userdata;
        g_autoptr(sd_bus_message) answer = begin_answer(call, error);

        if (answer)
                call_reply_message(call, answer, sd_bus_message_append(answer, "h", fd));
}

int log_bus_open(Call *call, Host *host, Log *log, bool is_whole)
{
        g_autoptr(GError) error = NULL;
        LogWish wish;

        if (!log_bus_read_wish(call->message, &wish, &error))
                return call_fail(call, error);
        wish.follows = wish.follows && !is_whole;
        log_open(host, log, &wish, call_uid(call), on_log_opened, call);
        return 1;
}
