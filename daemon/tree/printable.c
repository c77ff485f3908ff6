/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#define PRINTABLE_MAX 200

char *tree_printable(const char *name)
{
        g_autofree char *escaped = g_strescape(name, NULL);

        return g_strndup(escaped, PRINTABLE_MAX);
}
