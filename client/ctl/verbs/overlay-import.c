/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay import: a generation from an archive. */
#include "ctl.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int run(Ctl *ctl, char **arguments)
{
        const char *file = arguments[1], *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
        const char *dot = strrchr(name, '.');
        bool is_vpk = dot && strcmp(dot, ".vpk") == 0;
        uint64_t job;
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                fprintf(stderr, "Cannot read %s: %s.\n", file, strerror(errno));
                return EXIT_FAILED;
        }
        int r = l4h_overlay_import(ctl->host, arguments[0], fd, is_vpk ? name : NULL, ctl->replaces, &job);
        close(fd);
        return r < 0 ? ctl_fail(ctl) : job_outcome(ctl, job);
}

const Verb verb_overlay_import = {
        .name = "overlay import",
        .arguments = "NAME FILE",
        .min = 2,
        .max = 2,
        .first = WORDS_OVERLAYS,
        .others = WORDS_FILES,
        .options = OPTION_WAIT | OPTION_REPLACE,
        .may_ask = true,
        .help = "Unpack tar, zip, 7z or VPK",
        .details = "The files come over those that are there. A .vpk becomes an addon as it is.\n",
        .run = run,
};
