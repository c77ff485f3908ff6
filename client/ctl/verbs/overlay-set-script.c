/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay set-script: store what builds an overlay. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_with_file(ctl, arguments, l4h_overlay_set_script);
}

const Verb verb_overlay_set_script = {
        .name = "overlay set-script",
        .arguments = "NAME FILE|-",
        .min = 2,
        .max = 2,
        .first = WORDS_OVERLAYS,
        .others = WORDS_FILES,
        .may_ask = true,
        .help = "Store its script",
        .details = "- is standard input.\n",
        .run = run,
};
