/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay wipe-cache: delete what builds keep between runs. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_wipe_cache);
}

const Verb verb_overlay_wipe_cache = {
        .name = "overlay wipe-cache",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAYS,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Delete what builds keep",
        .run = run,
};
