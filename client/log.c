/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of a log, as an answer to ReadLog brings them. */
#include "internal.h"
#include <errno.h>

struct l4h_log {
        unsigned n_ref;
        sd_bus_message *answer; /* texts and cursors are its */
        l4h_line *lines;
        size_t n_lines;
        const char *next;
        bool is_at_end;
};

l4h_log *l4h_log_ref(l4h_log *log)
{
        log->n_ref++;
        return log;
}

l4h_log *l4h_log_unref(l4h_log *log)
{
        if (!log || --log->n_ref > 0)
                return NULL;
        free(log->lines);
        sd_bus_message_unref(log->answer);
        free(log);
        return NULL;
}

/* Makes room as it grows: the answer does not say how many there are. */
static l4h_line *line_add(l4h_log *log)
{
        if ((log->n_lines & (log->n_lines - 1)) == 0) {
                size_t room = log->n_lines ? 2 * log->n_lines : 1;
                l4h_line *grown = reallocarray(log->lines, room, sizeof *grown);
                if (!grown)
                        return NULL;
                log->lines = grown;
        }
        return &log->lines[log->n_lines++];
}

static int line_read(sd_bus_message *m, l4h_line *line)
{
        int r = sd_bus_message_read(m, "tu", &line->time, &line->priority);
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &line->text, &line->size);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &line->cursor);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int lines_read(sd_bus_message *m, l4h_log *log)
{
        int r = sd_bus_message_enter_container(m, 'a', "(tuays)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "tuays")) > 0) {
                l4h_line *line = line_add(log);
                r = line ? line_read(m, line) : -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int log_read(sd_bus_message *m, void *value)
{
        l4h_log *log = calloc(1, sizeof *log);
        if (!log)
                return -ENOMEM;
        log->n_ref = 1;
        log->answer = sd_bus_message_ref(m);
        int is_at_end;
        int r = lines_read(m, log);
        if (r >= 0)
                r = sd_bus_message_read(m, "sb", &log->next, &is_at_end);
        if (r < 0) {
                l4h_log_unref(log);
                return r;
        }
        log->is_at_end = is_at_end;
        *(l4h_log **)value = log;
        return 0;
}

static void log_done(void *value)
{
        l4h_log_unref(*(l4h_log **)value);
}

DEFINE_ANSWER(log, l4h_log *, log_read, log_done)

size_t l4h_log_count_lines(const l4h_log *log)
{
        return log->n_lines;
}

l4h_line l4h_log_get_line(const l4h_log *log, size_t index)
{
        return log->lines[index];
}

const char *l4h_log_get_next(const l4h_log *log)
{
        return log->next;
}

bool l4h_log_is_at_end(const l4h_log *log)
{
        return log->is_at_end;
}
