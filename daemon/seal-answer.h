/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `left4me-tree seal` prints of a tree that is well: its digest, bytes and files. It has read what a
 * stranger's script made, so it is not believed to print only that. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define SEAL_DIGEST_LENGTH 64 /* hexadecimal digits */

typedef struct SealAnswer {
        char digest[SEAL_DIGEST_LENGTH + 1];
        uint64_t bytes, files;
} SealAnswer;

/* Returns: whether `text` is such an answer, and nothing else. */
gboolean seal_answer_parse(const char *text, SealAnswer *ret);
