/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reload: have the service read its settings again. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return l4h_manager_reload(ctl->host) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

const Verb verb_reload = {
        .name = "reload",
        .arguments = "",
        .may_ask = true,
        .help = "Read host.conf again",
        .run = run,
};
