/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay revert: make a generation that is kept the current one. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        uint64_t generation;
        if (!number_parse(arguments[1], UINT64_MAX, &generation, NULL))
                return usage_fail("'%s' is not the number of a generation.", arguments[1]);
        return l4h_overlay_revert(ctl->host, arguments[0], generation) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

const Verb verb_overlay_revert = {
        .name = "overlay revert",
        .arguments = "NAME GENERATION",
        .min = 2,
        .max = 2,
        .first = WORDS_OVERLAYS,
        .others = WORDS_GENERATIONS,
        .may_ask = true,
        .help = "Go back to a generation",
        .details = "'l4d2ctl overlay show NAME' lists those that are kept.\n",
        .run = run,
};
