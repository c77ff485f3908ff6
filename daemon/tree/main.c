/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <stdio.h>
#include <string.h>

static int empty_all(char **paths)
{
        int status = TREE_DONE;

        for (char **path = paths; *path; path++)
                if (tree_empty(*path) != TREE_DONE)
                        status = TREE_FAILED;
        return status;
}

/* BYTES-FREE, and for each tree DIR BYTES NAMES */
static int watch_all(int n_words, char **words)
{
        TreeBound bounds[2];
        guint64 keep_free;
        size_t n = 0;

        if (!g_ascii_string_to_unsigned(*words++, 10, 0, G_MAXUINT64, &keep_free, NULL))
                return TREE_USAGE;
        for (; n_words > 1 && n < G_N_ELEMENTS(bounds); n++, n_words -= 3, words += 3) {
                bounds[n].path = words[0];
                if (!g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXUINT64, &bounds[n].bytes, NULL) ||
                        !g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXUINT64, &bounds[n].names, NULL))
                        return TREE_USAGE;
        }
        return tree_watch(keep_free, bounds, n);
}

int main(int argc, char **argv)
{
        const char *verb = argc > 1 ? argv[1] : "";

        if (strcmp(verb, "seal") == 0 && argc == 3)
                return tree_seal(argv[2]);
        if (strcmp(verb, "empty") == 0 && argc >= 3)
                return empty_all(argv + 2);
        if (strcmp(verb, "watch") == 0 && (argc == 6 || argc == 9))
                return watch_all(argc - 2, argv + 2);
        if (strcmp(verb, "probe-filter") == 0 && argc == 2)
                return probe_filter();
        (void)fputs("Usage: left4me-tree seal DIR\n"
                    "       left4me-tree empty DIR...\n"
                    "       left4me-tree watch BYTES-FREE DIR BYTES NAMES [DIR BYTES NAMES]\n"
                    "       left4me-tree probe-filter\n",
                stderr);
        return TREE_USAGE;
}
