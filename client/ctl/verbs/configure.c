/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* configure: the settings of an instance. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_with_settings(ctl, arguments, instance_keys, l4h_instance_configure);
}

const Verb verb_configure = {
        .name = "configure",
        .arguments = "NAME KEY=VALUE...",
        .min = 2,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCE_KEYS,
        .may_ask = true,
        .help = "Change an instance",
        .details = "A running server has the change at its next restart.\n" INSTANCE_KEYS_HELP,
        .run = run,
};
