/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* overlay create: one that is built by a script, or filled from archives. */
#include "ctl.h"
#include "dbus/names.h"

static int run(Ctl *ctl, char **arguments)
{
        if (!ctl->kind || strcmp(ctl->kind, HOST_OVERLAY_KIND_SCRIPT) == 0)
                return call_with_settings(ctl, arguments, overlay_keys, l4h_overlay_create_script);
        if (strcmp(ctl->kind, HOST_OVERLAY_KIND_FILES) == 0)
                return call_with_settings(ctl, arguments, overlay_keys, l4h_overlay_create_files);
        return usage_fail("'%s' is no kind of overlay; there are " HOST_OVERLAY_KIND_SCRIPT
                          " and " HOST_OVERLAY_KIND_FILES ".",
                ctl->kind);
}

const Verb verb_overlay_create = {
        .name = "overlay create",
        .arguments = "NAME [KEY=VALUE...]",
        .min = 1,
        .max = ANY,
        .others = WORDS_OVERLAY_KEYS,
        .options = OPTION_KIND,
        .may_ask = true,
        .help = "Make an overlay",
        .details = OVERLAY_KEYS_HELP,
        .run = run,
};
