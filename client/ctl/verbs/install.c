/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* install: the game, or its next version. */
#include "ctl.h"
#include "dbus/names.h"
#include <errno.h>

static int game_create(l4h_host *host)
{
        l4h_overlay *game;
        int r = l4h_overlay_find(host, HOST_GAME_OVERLAY, &game);
        if (r == -ENOENT)
                return l4h_overlay_create_script(host, HOST_GAME_OVERLAY, NULL);
        if (r >= 0)
                l4h_overlay_unref(game);
        return r;
}

static int run(Ctl *ctl, char **arguments)
{
        _cleanup_free_ char *script = NULL;
        uint64_t job;
        int status = *arguments ? file_read(*arguments, &script) : EXIT_DONE;
        if (status != EXIT_DONE)
                return status;
        int r = game_create(ctl->host);
        if (r >= 0 && script)
                r = l4h_overlay_set_script(ctl->host, HOST_GAME_OVERLAY, script);
        if (r >= 0)
                r = l4h_overlay_build(ctl->host, HOST_GAME_OVERLAY, &job);
        return r < 0 ? ctl_fail(ctl) : job_outcome(ctl, job);
}

const Verb verb_install = {
        .name = "install",
        .arguments = "[SCRIPT|-]",
        .max = 1,
        .first = WORDS_FILES,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Install or update the game",
        .details = "Makes the overlay game where there is none, gives it the script, and builds it.\n"
                   "Without a script it is built with the one that it has. - is standard input.\n",
        .run = run,
};
