/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line that a build has printed. */
#include "daemon/progress.h"
#include "daemon/validate.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = NULL;
        double number = -1;
        ProgressLine kind = progress_parse((const char *)data, size, &number, &text);

        g_assert_true((kind == PROGRESS_NUMBER) == (number >= 0 && number <= 1));
        g_assert_true((kind == PROGRESS_TEXT) == (text != NULL));
        if (text)
                g_assert_true(strlen(text) <= 256 && g_utf8_validate(text, -1, NULL) &&
                              text_find_control(text) == 0);
        return 0;
}
