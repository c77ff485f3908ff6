/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay configure: the settings of an overlay. */
#include "ctl.h"

static int run(Ctl *ctl, char **arguments)
{
        return call_with_settings(ctl, arguments, overlay_keys, l4h_overlay_configure);
}

const Verb verb_overlay_configure = {
        .name = "overlay configure",
        .arguments = "NAME KEY=VALUE...",
        .min = 2,
        .max = ANY,
        .first = WORDS_OVERLAYS,
        .others = WORDS_OVERLAY_KEYS,
        .may_ask = true,
        .help = "Change an overlay",
        .details = OVERLAY_KEYS_HELP,
        .run = run,
};
