/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program in a transient unit has printed, also as the seal's answer. */
#include "daemon/output.h"
#include "daemon/seal-answer.h"
#include "fuzz.h"
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(Output) output = NULL;
        SealAnswer answer;

        g_assert_cmpint(output_new(&output), ==, 0);
        g_assert_cmpint(write(output_fd(output), data, size), ==, (ssize_t)size);
        g_autofree char *text = output_read(output);
        g_assert_true(g_utf8_validate(text, -1, NULL));
        if (seal_answer_parse(g_strchomp(text), &answer))
                g_assert_cmpuint(strspn(answer.digest, "0123456789abcdef"), ==, SEAL_DIGEST_LENGTH);
        return 0;
}
