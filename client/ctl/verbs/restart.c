/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* restart: servers, with the layers that are current then. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, l4h_instance_restart);
}

const Verb verb_restart = {
        .name = "restart",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Stop and start",
        .details = "Layers and settings that were changed since the start are taken up.\n",
        .run = run,
};
