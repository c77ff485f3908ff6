/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* get-config: print the server.cfg of an instance. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_print_text(ctl, arguments, l4h_instance_get_config);
}

const Verb verb_get_config = {
        .name = "get-config",
        .arguments = "NAME",
        .min = 1,
        .max = 1,
        .first = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Print its server.cfg",
        .run = run,
};
