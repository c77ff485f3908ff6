/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Widths and colours, by the variables that systemctl(1) obeys. */
#include "ctl.h"
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static bool is_terminal, is_error_terminal, has_colours, is_utf8;

/* Up to "auto" all of systemd's words for this variable. */
static bool word_is_false(const char *word)
{
        static const char *const words[] = {"0", "no", "n", "false", "f", "off", NULL};
        for (const char *const *w = words; *w; w++)
                if (strcasecmp(*w, word) == 0)
                        return true;
        return false;
}

static bool colours_wanted(void)
{
        const char *systemd = getenv("SYSTEMD_COLORS"), *term = getenv("TERM");
        if (systemd && strncmp(systemd, "auto-", 5) != 0)
                return !word_is_false(systemd);
        return !getenv("NO_COLOR") && is_terminal && term && strcmp(term, "dumb") != 0;
}

void terminal_look(void)
{
        (void)setlocale(LC_ALL, "");
        is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        /* What the service sends is UTF-8, and as wide as it is, whatever the person's terminal can show. */
        (void)setlocale(LC_CTYPE, "C.UTF-8");
        is_terminal = isatty(STDOUT_FILENO);
        is_error_terminal = isatty(STDERR_FILENO);
        has_colours = colours_wanted();
}

bool terminal_is_output(void)
{
        return is_terminal;
}

bool terminal_is_ascii(int fd)
{
        return !is_utf8 && (fd == STDOUT_FILENO ? is_terminal : is_error_terminal);
}

size_t terminal_columns(void)
{
        if (!is_terminal)
                return SIZE_MAX;
        const char *set = getenv("COLUMNS");
        uint64_t columns;
        struct winsize size;
        if (set && number_parse(set, UINT16_MAX, &columns, NULL) && columns > 0)
                return columns;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                return size.ws_col;
        return 80;
}

const char *terminal_dot(void)
{
        return is_utf8 ? "●" : "*";
}

const char *colour(Colour colour)
{
        static const char *const codes[] = {[COLOUR_NONE] = "\033[0m",
                [COLOUR_GREEN] = "\033[0;1;32m",
                [COLOUR_YELLOW] = "\033[0;1;33m",
                [COLOUR_RED] = "\033[0;1;31m",
                [COLOUR_HEADING] = "\033[0;4m"};
        return has_colours ? codes[colour] : "";
}

Colour state_colour(const char *state)
{
        static const struct {
                const char *state;
                Colour colour;
        } colours[] = {{"active", COLOUR_GREEN}, {"ready", COLOUR_GREEN}, {"done", COLOUR_GREEN},
                {"failed", COLOUR_RED}, {"activating", COLOUR_YELLOW}, {"deactivating", COLOUR_YELLOW},
                {"building", COLOUR_YELLOW}, {"queued", COLOUR_YELLOW}, {"running", COLOUR_YELLOW},
                {"interrupted", COLOUR_YELLOW}};
        for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
                if (strcmp(colours[i].state, state) == 0)
                        return colours[i].colour;
        return COLOUR_NONE;
}

/* The character at `text`. Returns: its bytes, at least one when the text has not ended. */
static size_t character_measure(const char *text, size_t *ret_width)
{
        wchar_t c;
        mbstate_t state = {0};
        size_t n = mbrtowc(&c, text, strnlen(text, MB_LEN_MAX), &state);
        bool is_valid = n <= MB_LEN_MAX;
        int width = is_valid ? wcwidth(c) : 1; /* negative: of what has none */
        *ret_width = width < 0 ? 1 : (size_t)width;
        return is_valid ? n : *text != '\0';
}

size_t text_measure_character(const char *text)
{
        mbstate_t state = {0};
        size_t n = mbrlen(text, strnlen(text, MB_LEN_MAX), &state);
        return n <= MB_LEN_MAX ? n : 0;
}

size_t text_width(const char *text)
{
        size_t columns = 0, width, n;
        while ((n = character_measure(text, &width)) > 0) {
                columns += width;
                text += n;
        }
        return columns;
}

char *text_cut(const char *text, size_t width)
{
        const char *ellipsis = is_utf8 ? "…" : "...";
        size_t dots = text_width(ellipsis), columns = 0, bytes = 0, w, n;
        if (text_width(text) <= width)
                return format("%s", text);
        if (width < dots)
                return format("%.*s", (int)width, ellipsis);
        while ((n = character_measure(text + bytes, &w)) > 0 && columns + w + dots <= width) {
                columns += w;
                bytes += n;
        }
        return format("%.*s%s", (int)bytes, text, ellipsis);
}
