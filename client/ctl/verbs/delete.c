/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* delete: instances, and what their servers wrote. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_instance_delete);
}

const Verb verb_delete = {
        .name = "delete",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Delete instances",
        .details = "The instance must be stopped.\n",
        .run = run,
};
