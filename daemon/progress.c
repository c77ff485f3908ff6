/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <stdbool.h>
#include <string.h>

#define NUMBER_PREFIX "X_PROGRESS="
#define TEXT_PREFIX   "STATUS="
#define TEXT_MAX      256 /* bytes */
#define NUMBER_MAX    16  /* characters */

/* Digits, maybe a point and more digits, then "%": nothing else that strtod() would take. */
static bool parse_percent(const char *text, size_t size, double *ret_number)
{
        char copy[NUMBER_MAX + 1] = "";
        size_t digits, decimals = 0;
        double percent;

        if (size > NUMBER_MAX)
                return false;
        memcpy(copy, text, size);
        digits = strspn(copy, "0123456789");
        if (copy[digits] == '.')
                decimals = 1 + strspn(copy + digits + 1, "0123456789");
        if (digits == 0 || decimals == 1 || digits + decimals + 1 != size || copy[size - 1] != '%')
                return false;
        percent = g_ascii_strtod(copy, NULL);
        if (percent > 100)
                return false;
        *ret_number = percent / 100;
        return true;
}

/* What is not printable (control characters, and those that turn the direction of writing) is replaced. */
static char *clean(const char *bytes, size_t size)
{
        g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)MIN(size, TEXT_MAX));
        GString *text = g_string_sized_new(TEXT_MAX);

        for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);

                /* For GLib the separators of lines and paragraphs are printable. */
                if (!g_unichar_isprint(c) || c == 0x2028 || c == 0x2029)
                        c = 0xfffd;
                if (text->len + (gsize)g_unichar_to_utf8(c, NULL) > TEXT_MAX)
                        break;
                g_string_append_unichar(text, c);
        }
        return g_string_free(text, FALSE);
}

static bool has_prefix(const char *line, size_t size, const char *prefix)
{
        return size >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

ProgressLine progress_parse(const char *line, size_t size, double *ret_number, char **ret_text)
{
        size_t skipped = strlen(NUMBER_PREFIX);

        if (has_prefix(line, size, NUMBER_PREFIX) &&
                parse_percent(line + skipped, size - skipped, ret_number))
                return PROGRESS_NUMBER;
        skipped = strlen(TEXT_PREFIX);
        if (!has_prefix(line, size, TEXT_PREFIX))
                return PROGRESS_NONE;
        *ret_text = clean(line + skipped, size - skipped);
        return PROGRESS_TEXT;
}
