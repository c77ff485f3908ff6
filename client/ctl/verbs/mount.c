/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mount: the layers of instances, which units ask for. */
#include "ctl.h"

static int mount(l4h_host *host, const char *name)
{
        return call_persistently(host, name, l4h_instance_mount);
}

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, mount);
}

const Verb verb_mount = {
        .name = "mount",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Mount the layers only",
        .details = "They are at /var/lib/left4me/runtime/NAME/merged then.\n",
        .run = run,
};
