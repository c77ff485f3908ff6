/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reset: delete what servers wrote. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_instance_reset);
}

const Verb verb_reset = {
        .name = "reset",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Delete what the server wrote",
        .details = "Settings and server.cfg stay. The instance must be stopped.\n",
        .run = run,
};
