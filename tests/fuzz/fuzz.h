/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fuzz targets share. Each takes bytes that came from outside to the parser that gets them, and asserts
 * what must be so whatever they are. Built with libFuzzer, or with replay.c, which gives it what is in
 * corpus/NAME. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns: the bytes up to the first NUL, as the bus and the shell hand texts over; owned by the caller. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
        return g_strndup((const char *)data, size);
}

/* Whether what a program says of a person's mistake may be shown: one line of text. */
static inline void fuzz_check_error(gboolean is_right, GError *error)
{
        g_assert_true(is_right == (error == NULL));
        if (error)
                g_assert_true(*error->message && g_utf8_validate(error->message, -1, NULL) &&
                              !strchr(error->message, '\n'));
        g_clear_error(&error);
}
