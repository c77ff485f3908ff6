/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same for each object that is named. One that fails does not keep the others from it. */
#include "ctl.h"
#include <systemd/sd-bus.h>
#include <unistd.h>

#define TRIES    20
#define PAUSE_US 250000

/* What failed is told before what was left running. */
static int worse(int a, int b)
{
        return a == EXIT_DONE || (a == EXIT_LEFT && b != EXIT_DONE) ? b : a;
}

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
        bool was_left = false;                                         /* one, and those after it with it */
        _cleanup_free_ uint64_t *jobs = must(calloc(n, sizeof *jobs)); /* 0: could not be queued */

        int status = EXIT_DONE;
        for (size_t i = 0; i < n; i++)
                if (call(ctl->host, names[i], &jobs[i]) < 0)
                        status = ctl_fail(ctl);
        for (size_t i = 0; i < n; i++)
                if (jobs[i] != 0 && was_left)
                        job_left(jobs[i]);
                else if (jobs[i] != 0) {
                        int outcome = job_outcome(ctl, jobs[i]);
                        was_left = outcome == EXIT_LEFT;
                        status = worse(status, outcome);
                }
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
                if (number_parse(*ids, UINT64_MAX, &id, NULL))
                        status = worse(status, run(ctl, id));
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
