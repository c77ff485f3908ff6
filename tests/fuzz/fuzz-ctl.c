/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NAME and KEY=VALUE, a line each, times, and text of others that l4d2ctl shows on a terminal. */
#include "client/ctl/ctl.h"
#include "fuzz.h"

#define CUT_WIDTH 20

static int take_settings(l4h_host *host, const char *name, const l4h_settings *settings)
{
        g_assert_true(name && settings);
        return 0;
}

static void check_settings(const char *text, const char *const *keys)
{
        g_autofree char *all = g_strconcat("name\n", text, NULL);
        g_auto(GStrv) arguments = g_strsplit(all, "\n", -1);
        int status = call_with_settings(&(Ctl){}, arguments, keys, take_settings);

        g_assert_true(status == EXIT_DONE || status == EXIT_USAGE);
}

static void check_shown(const char *text)
{
        _cleanup_free_ char *shown = format_text(text), *cut = text_cut(shown, CUT_WIDTH);

        for (const char *c = shown; *c; c++)
                g_assert_false(g_ascii_iscntrl(*c));
        g_assert_cmpuint(text_width(cut), <=, CUT_WIDTH);
        g_assert_true(text_width(shown) > CUT_WIDTH || g_str_equal(shown, cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size);
        uint64_t usec;

        terminal_look();
        (void)time_parse(text, &usec);
        check_shown(text);
        check_settings(text, instance_keys);
        check_settings(text, overlay_keys);
        return 0;
}
