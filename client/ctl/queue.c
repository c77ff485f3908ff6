/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verbs whose work is a job: reset, delete, overlay build, overlay import, overlay wipe-cache, overlay
 * delete. */
#include "ctl.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Queues all before it waits for any: jobs run side by side. */
static int each_job(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name, uint64_t *ret_job))
{
        size_t n = 0;
        while (names[n])
                n++;
        _cleanup_free_ uint64_t *jobs = must(calloc(n, sizeof *jobs)); /* 0: could not be queued */

        int status = EXIT_DONE;
        for (size_t i = 0; i < n; i++)
                if (call(ctl->host, names[i], &jobs[i]) < 0)
                        status = ctl_fail(ctl);
        for (size_t i = 0; i < n; i++)
                if (jobs[i] != 0 && job_outcome(ctl, jobs[i]) != EXIT_DONE)
                        status = EXIT_FAILED;
        return status;
}

int verb_reset(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_instance_reset);
}

int verb_delete(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_instance_delete);
}

int verb_overlay_build(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_build);
}

int verb_overlay_import(Ctl *ctl, char **arguments)
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

int verb_overlay_wipe_cache(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_wipe_cache);
}

int verb_overlay_delete(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_delete);
}
