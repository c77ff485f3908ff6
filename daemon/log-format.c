/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-format.h"

#include "dbus/names.h"
#include <string.h>

bool log_format_parse(const char *word, LogFormat *ret)
{
        static const char *const words[] = {[LOG_CAT] = HOST_LOG_CAT, [LOG_JSON] = HOST_LOG_JSON};

        for (size_t n = 0; n < G_N_ELEMENTS(words); n++)
                if (g_str_equal(word, words[n])) {
                        *ret = (LogFormat)n;
                        return true;
                }
        return false;
}

static void add(GByteArray *bytes, const char *text)
{
        g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
}

static G_GNUC_PRINTF(2, 3) void add_format(GByteArray *bytes, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        g_vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        add(bytes, text);
}

static void add_string(GByteArray *bytes, const char *text, size_t size)
{
        add(bytes, "\"");
        for (size_t n = 0; n < size; n++) {
                guchar c = (guchar)text[n];

                if (c == '"' || c == '\\')
                        add_format(bytes, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        add_format(bytes, "\\u%04x", c);
                else
                        g_byte_array_append(bytes, &c, 1);
        }
        add(bytes, "\"");
}

/* What is no text in UTF-8 becomes an array of numbers, so that every byte is kept. */
static void add_text(GByteArray *bytes, const char *text, size_t size)
{
        if (g_utf8_validate_len(text, size, NULL)) {
                add_string(bytes, text, size);
                return;
        }
        add(bytes, "[");
        for (size_t n = 0; n < size; n++)
                add_format(bytes, "%s%u", n ? "," : "", (guchar)text[n]);
        add(bytes, "]");
}

void log_format_line(LogFormat format, const JournalLine *line, GByteArray *bytes)
{
        gsize size;
        const char *text = g_bytes_get_data(line->text, &size);

        if (format == LOG_CAT) {
                g_byte_array_append(bytes, (const guint8 *)text, (guint)size);
                add(bytes, "\n");
                return;
        }
        add(bytes, "{\"" HOST_LOG_CURSOR "\":");
        add_string(bytes, line->cursor, strlen(line->cursor));
        add_format(bytes,
                ",\"" HOST_LOG_TIME "\":\"%" G_GUINT64_FORMAT "\",\"" HOST_LOG_PRIORITY "\":\"%u\",",
                line->time, line->priority);
        add(bytes, "\"" HOST_LOG_MESSAGE "\":");
        add_text(bytes, text, size);
        add(bytes, "}\n");
}

void log_format_gap(LogFormat format, uint64_t after, uint64_t before, GByteArray *bytes)
{
        if (format == LOG_JSON)
                add_format(bytes,
                        "{\"" HOST_LOG_MISSED_AFTER "\":\"%" G_GUINT64_FORMAT "\",\"" HOST_LOG_MISSED_BEFORE
                        "\":\"%" G_GUINT64_FORMAT "\"}\n",
                        after, before);
}
