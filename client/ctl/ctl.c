/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said to people: sentences, times, sizes. */
#include "ctl.h"
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

void *must(void *p)
{
        if (!p) {
                fputs("Out of memory.\n", stderr);
                exit(EXIT_FAILED);
        }
        return p;
}

char *format(const char *format, ...)
{
        char *s;
        va_list args;
        va_start(args, format);
        int r = vasprintf(&s, format, args);
        va_end(args);
        return must(r < 0 ? NULL : s);
}

int usage_fail(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        return EXIT_USAGE;
}

/* How many bytes of what is at `text` can be shown as they are, 0 when the first must not be. */
static size_t shown_measure(const char *text, bool is_ascii)
{
        const unsigned char *p = (const unsigned char *)text;
        if (*p < 0x80)
                return *p >= 0x20 && *p != 0x7f;
        if (is_ascii || (p[0] == 0xc2 && p[1] <= 0x9f)) /* U+0080 to U+009F in UTF-8 */
                return 0;
        return text_measure_character(text);
}

static char *text_clean(const char *text, bool is_ascii)
{
        char *copy = must(strdup(text));
        for (char *p = copy; *p;) {
                size_t n = shown_measure(p, is_ascii);
                if (n == 0)
                        *p = '?';
                p += n > 0 ? n : 1;
        }
        return copy;
}

char *format_text(const char *text)
{
        return text_clean(text, terminal_is_ascii(STDOUT_FILENO));
}

int ctl_fail(const Ctl *ctl)
{
        _cleanup_free_ char *message =
                text_clean(l4h_error_message(ctl->host), terminal_is_ascii(STDERR_FILENO));
        fprintf(stderr, "%s\n", message);
        return EXIT_FAILED;
}

char *format_time(uint64_t usec)
{
        if (usec == 0)
                return format("-");
        time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;
        char buffer[64];
        if (!localtime_r(&seconds, &tm) ||
                strftime(buffer, sizeof buffer, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                return format("-");
        return format("%s", buffer);
}

char *format_ago(uint64_t usec)
{
        static const struct {
                uint64_t seconds;
                const char *unit;
        } units[] = {
                {86400 * 365, " years"}, {86400 * 30, " months"}, {86400, " days"}, {3600, "h"}, {60, "min"}};
        if (usec == 0)
                return format("-");
        uint64_t now = (uint64_t)time(NULL), then = usec / 1000000, s = now > then ? now - then : 0;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
                if (s >= 2 * units[i].seconds)
                        return format("%" PRIu64 "%s ago", s / units[i].seconds, units[i].unit);
        return format("%" PRIu64 "s ago", s);
}

char *format_span(uint64_t usec)
{
        uint64_t s = usec / 1000000;
        if (s == 0)
                return format("%" PRIu64 "ms", usec / 1000);
        if (s % 3600 == 0)
                return format("%" PRIu64 "h", s / 3600);
        if (s % 60 == 0)
                return format("%" PRIu64 "min", s / 60);
        return format("%" PRIu64 "s", s);
}

char *format_size(uint64_t bytes)
{
        static const char units[] = "BKMGT";
        double size = (double)bytes;
        size_t unit = 0;
        for (; size >= 1024 && units[unit + 1]; unit++)
                size /= 1024;
        return format(unit == 0 ? "%.0f%c" : "%.1f%c", size, units[unit]);
}

char *format_strings(const char *const *strings, const char *separator, const char *none)
{
        if (!*strings)
                return format("%s", none);
        char *joined = format("%s", *strings);
        while (*++strings) {
                char *longer = format("%s%s%s", joined, separator, *strings);
                free(joined);
                joined = longer;
        }
        return joined;
}

void print_field(const char *label, char *value)
{
        printf("%12s%c %s\n", label, *label ? ':' : ' ', value);
        free(value);
}

void print_title(const char *state, const char *name, const char *description)
{
        _cleanup_free_ char *text = format_text(description);
        printf("%s%s%s %s%s%s\n", colour(state_colour(state)), terminal_dot(), colour(COLOUR_NONE), name,
                *text ? " - " : "", text);
}

void print_state(const char *state, const char *sub_state)
{
        print_field("State", format("%s%s%s%s%s%s", colour(state_colour(state)), state, sub_state ? " (" : "",
                                     sub_state ? sub_state : "", sub_state ? ")" : "", colour(COLOUR_NONE)));
}

bool number_parse(const char *text, uint64_t max, uint64_t *ret, const char **ret_end)
{
        char *end;
        errno = 0;
        unsigned long long number = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || errno != 0 || number > max || (!ret_end && *end))
                return false;
        *ret = number;
        if (ret_end)
                *ret_end = end;
        return true;
}
