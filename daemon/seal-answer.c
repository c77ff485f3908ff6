/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seal-answer.h"

#include <string.h>

gboolean seal_answer_parse(const char *text, SealAnswer *ret)
{
        g_auto(GStrv) words = g_strsplit(text, " ", -1);

        if (g_strv_length(words) != 3 || strlen(words[0]) != SEAL_DIGEST_LENGTH ||
                strspn(words[0], "0123456789abcdef") != SEAL_DIGEST_LENGTH)
                return FALSE;
        memcpy(ret->digest, words[0], sizeof(ret->digest));
        return g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXUINT64, &ret->bytes, NULL) &&
               g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXUINT64, &ret->files, NULL);
}
