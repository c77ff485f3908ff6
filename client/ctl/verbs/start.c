/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start: servers, now and at boot. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, l4h_instance_start);
}

const Verb verb_start = {
        .name = "start",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Start, now and at boot",
        .details = "Returns when the servers run or have failed.\n",
        .run = run,
};
