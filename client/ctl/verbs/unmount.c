/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unmount: the layers of instances, which units ask for. */
#include "ctl.h"

/* At shutdown the service may be gone before the mount units stop (ordering them would deadlock), and it is
 * not started any more. systemd then unmounts by itself. */
static int unmount(l4h_host *host, const char *name)
{
        int r = call_persistently(host, name, l4h_instance_unmount);
        if (r < 0 && l4h_error_is_unreachable(host) && system_is_stopping()) {
                printf("The system is going down: %s is left for systemd to unmount.\n", name);
                return 0;
        }
        return r;
}

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, unmount);
}

const Verb verb_unmount = {
        .name = "unmount",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_INSTANCES,
        .others = WORDS_INSTANCES,
        .may_ask = true,
        .help = "Unmount them",
        .run = run,
};
