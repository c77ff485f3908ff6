/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay wipe: make overlays empty. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_name(ctl, arguments, l4h_overlay_wipe);
}

const Verb verb_overlay_wipe = {
        .name = "overlay wipe",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAYS,
        .may_ask = true,
        .help = "Make overlays empty",
        .details = "What was current before is kept as after a build.\n",
        .run = run,
};
