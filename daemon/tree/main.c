/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <stdio.h>
#include <string.h>

#define PRINTABLE_MAX 200

char *tree_printable(const char *name)
{
        g_autofree char *escaped = g_strescape(name, NULL);

        return g_strndup(escaped, PRINTABLE_MAX);
}

static int empty_all(char **paths)
{
        int status = TREE_DONE;

        for (char **path = paths; *path; path++)
                if (tree_empty(*path) != TREE_DONE)
                        status = TREE_FAILED;
        return status;
}

int main(int argc, char **argv)
{
        const char *verb = argc > 1 ? argv[1] : "";

        if (strcmp(verb, "seal") == 0 && argc == 3)
                return tree_seal(argv[2]);
        if (strcmp(verb, "empty") == 0 && argc >= 3)
                return empty_all(argv + 2);
        if (strcmp(verb, "probe-filter") == 0 && argc == 2)
                return probe_filter();
        (void)fputs("Usage: left4me-tree seal DIR\n"
                    "       left4me-tree empty DIR...\n"
                    "       left4me-tree probe-filter\n",
                stderr);
        return TREE_USAGE;
}
