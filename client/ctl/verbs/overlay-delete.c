/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay delete: overlays. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_delete);
}

const Verb verb_overlay_delete = {
        .name = "overlay delete",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAYS,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Delete overlays",
        .details = "No instance may list them.\n",
        .run = run,
};
