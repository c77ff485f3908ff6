/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stop: servers, now and at boot. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, l4h_instance_stop);
}

const Verb verb_stop = {
        .name = "stop",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Stop, now and at boot",
        .details = "Returns when the servers have ended and their layers are unmounted.\n",
        .run = run,
};
