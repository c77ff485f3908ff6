/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job cancel: take oneself off those who want a job. */
#include "ctl.h"

static int cancel(Ctl *ctl, uint64_t id)
{
        return l4h_job_cancel(ctl->host, id) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

static int run(Ctl *ctl, char **arguments)
{
        return each_id(ctl, arguments, cancel);
}

const Verb verb_job_cancel = {
        .name = "job cancel",
        .arguments = "ID...",
        .min = 1,
        .max = ANY,
        .first = WORDS_JOBS,
        .others = WORDS_JOBS,
        .may_ask = true,
        .help = "Cancel jobs",
        .details = "A job ends when nobody is left who asked for it.\n",
        .run = run,
};
