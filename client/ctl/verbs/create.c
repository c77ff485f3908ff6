/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create: an instance. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_with_settings(ctl, arguments, instance_keys, l4h_instance_create);
}

const Verb verb_create = {
        .name = "create",
        .arguments = "NAME [KEY=VALUE...]",
        .min = 1,
        .max = ANY,
        .others = WORDS_INSTANCE_KEYS,
        .may_ask = true,
        .help = "Make an instance",
        .details = INSTANCE_KEYS_HELP,
        .run = run,
};
