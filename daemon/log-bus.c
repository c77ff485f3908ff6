/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-bus.h"
#include "sd-autoptr.h"

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

static void on_log_read(JournalRead *read, const GError *error, void *userdata)
{
        Call *call = userdata;
        g_autoptr(sd_bus_message) answer = NULL;
        int r;

        if (error) {
                call_fail(call, error);
                return;
        }
        r = sd_bus_message_new_method_return(call->message, &answer);
        if (r >= 0)
                r = append_lines(answer, read->lines);
        if (r >= 0)
                r = sd_bus_message_append(answer, "sb", read->cursor, (int)read->is_end);
        call_reply_message(call, answer, r);
}

int log_bus_read(Call *call, Host *host, Log *log)
{
        JournalRange range = JOURNAL_ALL;
        uint32_t max = 0;

        (void)sd_bus_message_read(
                call->message, "su", &range.cursor, &max); /* the gate has checked the types */
        (void)log_read(host, log, &range, false, max ? MIN(max, ANSWER_LINES) : ANSWER_LINES, ANSWER_SIZE,
                call_uid(call), on_log_read, call);
        return 1;
}
