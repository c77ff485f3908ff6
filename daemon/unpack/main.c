/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/util.h"
#include "unpack.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

static int unpack(Target *t, const char *file_name, const char *previous)
{
        static Source source;
        int r = source_open(&source);

        if (r < 0) {
                errno = -r;
                return target_fail(t, "the archive cannot be read");
        }
        if (previous)
                r = copy_tree(t, previous);
        g_clear_pointer(&t->path, g_free);
        if (r < 0)
                return r;
        if (vpk_is_one(&source))
                return vpk_place(t, &source, file_name);
        if (*file_name)
                return target_refuse(t, "%s is no VPK", file_name);
        return archive_unpack(t, &source);
}

/* One line, for Job.Message and, again, for the journal. */
static void report(const Target *t)
{
        g_autofree char *path = t->path ? tree_printable(t->path) : NULL;
        g_autofree char *line = g_strdup_printf("%s%s%s%s",
                t->status == TREE_FAILED ? "failed: " : "refused: ", path ?: "", path ? ": " : "", t->reason);

        (void)puts(line);
        (void)fflush(stdout);
        (void)fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
        Target t = {};

        /* Names in UTF-8 become these bytes, and others keep theirs. */
        (void)setlocale(LC_CTYPE, "C.UTF-8");
        (void)signal(SIGXFSZ, SIG_IGN); /* a file that is too large is an error of write(2) */
        umask(0022);
        if (argc < 5 || argc > 6 ||
                !g_ascii_string_to_unsigned(argv[2], 10, 0, G_MAXUINT64, &t.max_bytes, NULL) ||
                !g_ascii_string_to_unsigned(argv[3], 10, 0, G_MAXUINT64, &t.max_entries, NULL)) {
                (void)fputs("Usage: left4me-unpack DIR MAX-BYTES MAX-FILES NAME-OF-VPK|\"\" [PREVIOUS-DIR] "
                            "<ARCHIVE\n",
                        stderr);
                return TREE_USAGE;
        }
        t.fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if ((t.fd < 0 ? target_fail(&t, argv[1]) : unpack(&t, argv[4], argv[5])) >= 0)
                return TREE_DONE;
        report(&t);
        return t.status;
}
