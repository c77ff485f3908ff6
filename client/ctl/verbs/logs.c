/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logs: what a server prints. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return log_run(ctl, arguments[0], 0);
}

const Verb verb_logs = {
        .name = "logs",
        .arguments = "NAME",
        .min = 1,
        .max = 1,
        .first = WORDS_INSTANCES,
        .options = OPTION_LOG,
        .may_ask = true,
        .help = "Print what the server prints",
        .details = "Over all its runs, and what systemd said of its units.\n",
        .run = run,
};
