/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and texts as callers give them: the first byte says what for. */
#include "daemon/validate.h"
#include "fuzz.h"

static void check_name(const char *text)
{
        GError *error = NULL;
        gboolean is_right = validate_name("instance", text, &error);

        if (is_right)
                g_assert_true(strlen(text) <= 32 && !strpbrk(text, "/. \n") && g_str_is_ascii(text));
        fuzz_check_error(is_right, error);
}

/* One argument a line. */
static void check_arguments(const char *text)
{
        g_auto(GStrv) arguments = g_strsplit(text, "\n", -1);
        GError *error = NULL;
        gboolean is_right = validate_arguments(arguments, &error);

        for (char **argument = arguments; is_right && *argument; argument++)
                g_assert_true(**argument && !strpbrk(*argument, " '\"\\$;") && g_str_is_ascii(*argument));
        fuzz_check_error(is_right, error);
}

static void check_description(const char *text)
{
        GError *error = NULL;
        gboolean is_right = validate_description(text, &error);

        if (is_right)
                g_assert_true(g_utf8_validate(text, -1, NULL) && !strpbrk(text, "\n\r\033"));
        fuzz_check_error(is_right, error);
}

static void check_vpk_name(const char *text)
{
        GError *error = NULL;
        gboolean is_right = validate_vpk_name(text, &error);

        if (is_right)
                g_assert_true(!strchr(text, '/') && strlen(text) <= 255);
        fuzz_check_error(is_right, error);
}

static void check_shown(const char *text)
{
        g_autofree char *shown = name_show(text);

        g_assert_true(strlen(shown) <= 64 && g_str_is_ascii(shown) && !strpbrk(shown, "\n\033"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static void (*const checks[])(const char *text) = {
                check_name, check_arguments, check_description, check_vpk_name, check_shown};
        g_autofree char *text = size > 0 ? fuzz_text(data + 1, size - 1) : NULL;

        if (text)
                checks[data[0] % G_N_ELEMENTS(checks)](text);
        return 0;
}
