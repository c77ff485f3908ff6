/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay build: new generations, each by its overlay's script. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return each_job(ctl, arguments, l4h_overlay_build);
}

const Verb verb_overlay_build = {
        .name = "overlay build",
        .arguments = "NAME...",
        .min = 1,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAYS,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Build with the script",
        .details = "When a build fails, or makes what is there already, the current generation\nstays.\n",
        .run = run,
};
