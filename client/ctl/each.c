/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same for each object that is named. One that fails does not keep the others from it. */
#include "ctl.h"
#include <systemd/sd-bus.h>
#include <unistd.h>

#define TRIES    20
#define PAUSE_US 250000

int each_name(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name))
{
        int status = EXIT_DONE;
        for (; *names; names++)
                if (call(ctl->host, *names) < 0)
                        status = ctl_fail(ctl);
        return status;
}

int each_job(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name, uint64_t *ret_job))
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

int ids_check(char **ids)
{
        uint64_t id;
        for (; *ids; ids++)
                if (!number_parse(*ids, UINT64_MAX, &id, NULL))
                        return usage_fail("'%s' is not the number of a job.", *ids);
        return EXIT_DONE;
}

int each_id(Ctl *ctl, char **ids, int (*run)(Ctl *ctl, uint64_t id))
{
        uint64_t id;
        int status = ids_check(ids);
        if (status != EXIT_DONE)
                return status;
        for (; *ids; ids++)
                if (number_parse(*ids, UINT64_MAX, &id, NULL) && run(ctl, id) != EXIT_DONE)
                        status = EXIT_FAILED;
        return status;
}

/* The service ended in the middle, or is being started again after that, for which dbus-broker does not
 * wait. One that does not answer is asked no second time. */
static bool is_passing(l4h_host *host)
{
        return l4h_error_is_unreachable(host) && strcmp(l4h_error_name(host), SD_BUS_ERROR_TIMEOUT) != 0 &&
               !system_is_stopping();
}

/* The next call goes on from what is there. A unit whose mount fails by that would not start its server. */
int call_persistently(l4h_host *host, const char *name, int (*call)(l4h_host *host, const char *name))
{
        int r = call(host, name);
        for (int i = 1; i < TRIES && r < 0 && is_passing(host); i++) {
                usleep(PAUSE_US);
                r = call(host, name);
        }
        return r;
}
