/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* initialize: an instance that can start: it is made, and what it needs is built. */
#include "ctl.h"
#include "dbus/names.h"
#include <errno.h>

/* Whether the instance runs on it and there is nothing of it yet. */
static bool is_wanting(const l4h_overlay *overlay, const l4h_instance *instance)
{
        const char *name = l4h_overlay_get_name(overlay);
        if (l4h_overlay_get_generation(overlay) != 0)
                return false;
        for (const char *const *listed = l4h_instance_get_overlays(instance); *listed; listed++)
                if (strcmp(*listed, name) == 0)
                        return true;
        return strcmp(name, HOST_GAME_OVERLAY) == 0;
}

/* Returns: the overlays without a generation, up to NULL; to be freed. */
static char **wanting_find(const l4h_list *list, const l4h_instance *instance)
{
        size_t n = 0;
        char **names = must(calloc(l4h_list_count_overlays(list) + 1, sizeof *names));
        for (size_t i = 0; i < l4h_list_count_overlays(list); i++) {
                const l4h_overlay *overlay = l4h_list_get_overlay(list, i);
                if (is_wanting(overlay, instance))
                        names[n++] = (char *)l4h_overlay_get_name(overlay);
        }
        return names;
}

static int run(Ctl *ctl, char **arguments)
{
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        l4h_instance *instance;
        l4h_overlay *game;
        int r = l4h_overlay_find(ctl->host, HOST_GAME_OVERLAY, &game);
        if (r == -ENOENT)
                fputs("There is no game yet; install it with 'l4d2ctl install SCRIPT' first.\n", stderr);
        if (r < 0)
                return r == -ENOENT ? EXIT_FAILED : ctl_fail(ctl);
        l4h_overlay_unref(game);
        int status = call_with_settings(ctl, arguments, instance_keys, l4h_instance_create);
        if (status != EXIT_DONE)
                return status;
        if (l4h_instance_find(ctl->host, *arguments, &instance) < 0)
                return ctl_fail(ctl);
        if (l4h_list_new(ctl->host, &list) < 0) {
                l4h_instance_unref(instance);
                return ctl_fail(ctl);
        }
        _cleanup_free_ char **names = wanting_find(list, instance);
        l4h_instance_unref(instance);
        return each_job(ctl, names, l4h_overlay_build);
}

const Verb verb_initialize = {
        .name = "initialize",
        .arguments = "NAME [KEY=VALUE...]",
        .min = 1,
        .max = ANY,
        .others = WORDS_INSTANCE_KEYS,
        .options = OPTION_WAIT,
        .may_ask = true,
        .help = "Make an instance, build its overlays",
        .details = "Builds those of its overlays, and the game, of which there is nothing yet.\n"
                   "Nothing is mounted or started.\n" INSTANCE_KEYS_HELP,
        .run = run,
};
