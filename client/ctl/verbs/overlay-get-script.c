/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay get-script: print what builds an overlay. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_print_text(ctl, arguments, l4h_overlay_get_script);
}

const Verb verb_overlay_get_script = {
        .name = "overlay get-script",
        .arguments = "NAME",
        .min = 1,
        .max = 1,
        .first = WORDS_OVERLAYS,
        .may_ask = true,
        .help = "Print its script",
        .run = run,
};
