/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job log: what jobs print. */
#include "ctl.h"

static int print(Ctl *ctl, uint64_t id)
{
        return log_run(ctl, NULL, id);
}

static int run(Ctl *ctl, char **arguments)
{
        if (ctl->follows && arguments[1])
                return usage_fail("--follow follows one job.");
        return each_id(ctl, arguments, print);
}

const Verb verb_job_log = {
        .name = "job log",
        .arguments = "ID...",
        .min = 1,
        .max = ANY,
        .first = WORDS_JOBS,
        .others = WORDS_JOBS,
        .options = OPTION_LOG,
        .may_ask = true,
        .help = "Print what jobs print",
        .run = run,
};
