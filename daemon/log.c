/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cursors of lines that were put aside are not the journal's: "kept:3" stands behind the third of them. */
#include "log.h"
#include "turns.h"

#include <gio/gio.h>
#include <string.h>

#define KEPT_TYPE             "a(tuay)"
#define KEPT_PREFIX           "kept:"
#define TRIES                 5
#define READ_AT_ONCE          4
#define READ_AT_ONCE_PER_USER 2

struct LogReading {
        Turn turn;
        Log *log;
        char *cursor;
        JournalRange range; /* its cursor is the one above */
        bool or_next;
        unsigned max;
        size_t size;
        LogDone done; /* NULL: nobody wants it any more */
        void *userdata;
        int result;
        JournalRead read;
};

Log *log_new(char *name, JournalLines *which)
{
        Log *log = g_new0(Log, 1);

        g_atomic_ref_count_init(&log->references);
        log->name = name;
        log->which = which;
        return log;
}

Log *log_ref(Log *log)
{
        g_atomic_ref_count_inc(&log->references);
        return log;
}

void log_unref(Log *log)
{
        if (!g_atomic_ref_count_dec(&log->references))
                return;
        g_free(log->name);
        journal_lines_free(log->which);
        g_free(log->first);
        g_clear_pointer(&log->kept, g_bytes_unref);
        g_free(log);
}

/* Lines put aside */

GBytes *log_pack(const GPtrArray *lines)
{
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE(KEPT_TYPE));
        g_autoptr(GVariant) packed = NULL;

        for (guint n = 0; n < lines->len; n++) {
                const JournalLine *line = lines->pdata[n];
                gsize size;
                gconstpointer text = g_bytes_get_data(line->text, &size);

                g_variant_builder_add(&builder, "(tu@ay)", line->time, line->priority,
                        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, size, 1));
        }
        packed = g_variant_ref_sink(g_variant_builder_end(&builder));
        return g_variant_get_data_as_bytes(packed);
}

static JournalLine *unpack_line(GVariant *packed, gsize n)
{
        g_autoptr(GVariant) text = NULL;
        guint64 time;
        guint32 priority;

        g_variant_get_child(packed, n, "(tu@ay)", &time, &priority, &text);
        return journal_line_new(time, priority, g_variant_get_data_as_bytes(text),
                g_strdup_printf(KEPT_PREFIX "%" G_GSIZE_FORMAT, n + 1));
}

/* They are few: all that are wanted are taken out, then the first of them that are not. */
static int read_kept(LogReading *x)
{
        g_autoptr(GVariant) packed =
                g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(KEPT_TYPE), x->log->kept, FALSE));
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func((GDestroyNotify)journal_line_free);
        gsize n_lines = g_variant_n_children(packed);
        guint64 n = 0;

        if (*x->cursor && (n_lines == 0 || !g_ascii_string_to_unsigned(x->cursor + strlen(KEPT_PREFIX), 10, 1,
                                                   n_lines, &n, NULL)))
                return -ESTALE;
        for (; n < n_lines; n++) {
                g_autoptr(JournalLine) line = unpack_line(packed, n);

                if (line->time >= x->range.since && line->time <= x->range.until &&
                        line->priority <= x->range.priority)
                        g_ptr_array_add(lines, g_steal_pointer(&line));
        }
        if (lines->len > x->range.last)
                g_ptr_array_remove_range(lines, 0, lines->len - (guint)x->range.last);
        x->read.is_end = lines->len <= x->max;
        if (!x->read.is_end)
                g_ptr_array_set_size(lines, (gint)x->max);
        x->read.cursor = g_strdup(
                lines->len ? ((JournalLine *)lines->pdata[lines->len - 1])->cursor : x->range.cursor);
        x->read.lines = g_steal_pointer(&lines);
        return 0;
}

/* Reading */

/* The journal has not got all of those that were put aside. */
static bool is_rotated(const Log *log)
{
        return log->first && *log->first && !journal_has(log->which, log->first);
}

static int read_journal(LogReading *x)
{
        int r = -EAGAIN;

        /* A file that was deleted while it was read may be what is wrong. */
        for (unsigned n = 0; n < TRIES && r < 0 && r != -ESTALE; n++)
                r = journal_read(x->log->which, &x->range, x->or_next, x->max, x->size, &x->read);
        return r;
}

static void run_reading(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        LogReading *x = data;
        bool is_kept = g_str_has_prefix(x->cursor, KEPT_PREFIX);

        if (is_kept && !x->log->kept)
                x->result = -ESTALE;
        else if (is_kept || (!*x->cursor && is_rotated(x->log)))
                x->result = read_kept(x);
        else
                x->result = read_journal(x);
        g_task_return_boolean(task, TRUE);
}

static void reading_free(LogReading *x)
{
        turn_end(&x->turn);
        log_unref(x->log);
        g_free(x->cursor);
        journal_read_clear(&x->read);
        g_free(x);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer userdata)
{
        LogReading *x = userdata;
        g_autoptr(GError) error = NULL;

        if (x->result == -ESTALE)
                error = g_error_new(HOST_ERROR, HOST_ERROR_CURSOR_GONE,
                        "The log of %s has no line with this cursor, or has it no more; read from the "
                        "beginning, with an empty cursor",
                        x->log->name);
        else if (x->result < 0)
                error = g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED,
                        "The journal's lines of %s cannot be read: %s", x->log->name, g_strerror(-x->result));
        if (x->done)
                x->done(error ? NULL : &x->read, error, x->userdata);
        reading_free(x);
}

static void begin_reading(void *userdata)
{
        LogReading *x = userdata;
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_read, x);

        g_task_set_task_data(task, x, NULL);
        g_task_set_priority(task, G_PRIORITY_LOW); /* the steps of jobs go first */
        g_task_run_in_thread(task, run_reading);
}

LogReading *log_read(Host *host, Log *log, const JournalRange *range, bool or_next, unsigned max, size_t size,
        uid_t uid, LogDone done, void *userdata)
{
        LogReading *x = g_new0(LogReading, 1);

        *x = (LogReading){.log = log_ref(log),
                .cursor = g_strdup(range->cursor),
                .range = *range,
                .or_next = or_next,
                .max = max,
                .size = size,
                .done = done,
                .userdata = userdata};
        x->range.cursor = x->cursor;
        turn_take(host->log_turns, &x->turn, uid, begin_reading, x);
        return x;
}

void log_reading_cancel(LogReading *x)
{
        x->done = NULL;
        if (!x->turn.is_at_work)
                reading_free(x);
}

Turns *log_turns_new(void)
{
        return turns_new(READ_AT_ONCE, READ_AT_ONCE_PER_USER);
}
