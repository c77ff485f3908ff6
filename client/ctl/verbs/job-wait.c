/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job wait: for the end of jobs. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_id(ctl, arguments, job_wait);
}

const Verb verb_job_wait = {
        .name = "job wait",
        .arguments = "ID...",
        .min = 1,
        .max = ANY,
        .first = WORDS_JOBS,
        .others = WORDS_JOBS,
        .help = "Wait for the end of jobs",
        .run = run,
};
