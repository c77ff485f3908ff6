/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set-config: store the server.cfg of an instance. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_with_file(ctl, arguments, l4h_instance_set_config);
}

const Verb verb_set_config = {
        .name = "set-config",
        .arguments = "NAME FILE|-",
        .min = 2,
        .max = 2,
        .first = WORDS_INSTANCES,
        .others = WORDS_FILES,
        .may_ask = true,
        .help = "Store its server.cfg",
        .details = "Passwords belong there. - is standard input.\n",
        .run = run,
};
