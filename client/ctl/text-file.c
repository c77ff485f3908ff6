/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in, texts out. */
#include "ctl.h"
#include <errno.h>

#define TEXT_MAX (16 * 1024 * 1024) /* more than the service takes; an endless file must end somewhere */

/* Reads all of a file. Returns: EXIT_DONE, or EXIT_FAILED after a sentence. */
static int stream_read(FILE *stream, const char *file, char **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0, n;
        do {
                text = must(realloc(text, size + 64 * 1024 + 1));
                n = fread(text + size, 1, 64 * 1024, stream);
                size += n;
        } while (n > 0 && size <= TEXT_MAX);
        text[size] = '\0';

        const char *trouble = ferror(stream)         ? strerror(errno)
                              : size > TEXT_MAX      ? "too large"
                              : strlen(text) != size ? "it has NUL bytes"
                                                     : NULL;
        if (trouble) {
                fprintf(stderr, "Cannot read %s: %s.\n", file, trouble);
                return EXIT_FAILED;
        }
        *ret = text;
        text = NULL;
        return EXIT_DONE;
}

int file_read(const char *file, char **ret)
{
        if (strcmp(file, "-") == 0)
                return stream_read(stdin, "standard input", ret);
        FILE *stream = fopen(file, "re");
        if (!stream) {
                fprintf(stderr, "Cannot open %s: %s.\n", file, strerror(errno));
                return EXIT_FAILED;
        }
        int status = stream_read(stream, file, ret);
        fclose(stream);
        return status;
}

int call_with_file(
        Ctl *ctl, char **arguments, int (*call)(l4h_host *host, const char *name, const char *text))
{
        _cleanup_free_ char *text = NULL;
        int status = file_read(arguments[1], &text);
        if (status != EXIT_DONE)
                return status;
        return call(ctl->host, arguments[0], text) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

int call_print_text(Ctl *ctl, char **arguments, int (*call)(l4h_host *host, const char *name, char **ret))
{
        _cleanup_free_ char *text = NULL;
        if (call(ctl->host, arguments[0], &text) < 0)
                return ctl_fail(ctl);
        fputs(text, stdout); /* main() looks whether that went well */
        return EXIT_DONE;
}
