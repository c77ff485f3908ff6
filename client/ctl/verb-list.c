/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All verbs, in the order in which --help has them. */
#include "ctl.h"

extern const Verb verb_install, verb_list, verb_status, verb_create, verb_initialize, verb_configure,
        verb_set_config, verb_get_config, verb_start, verb_stop, verb_restart, verb_logs, verb_mount,
        verb_unmount, verb_reset, verb_delete, verb_monitor, verb_can, verb_reload, verb_overlay_list,
        verb_overlay_show, verb_overlay_create, verb_overlay_configure, verb_overlay_set_script,
        verb_overlay_get_script, verb_overlay_edit, verb_overlay_build, verb_overlay_import,
        verb_overlay_revert, verb_overlay_wipe, verb_overlay_wipe_cache, verb_overlay_delete, verb_job_list,
        verb_job_show, verb_job_wait, verb_job_log, verb_job_cancel;

const Verb *const verbs[] = {&verb_install, &verb_list, &verb_status, &verb_create, &verb_initialize,
        &verb_configure, &verb_set_config, &verb_get_config, &verb_start, &verb_stop, &verb_restart,
        &verb_logs, &verb_mount, &verb_unmount, &verb_reset, &verb_delete, &verb_monitor, &verb_can,
        &verb_reload, &verb_overlay_list, &verb_overlay_show, &verb_overlay_create, &verb_overlay_configure,
        &verb_overlay_set_script, &verb_overlay_get_script, &verb_overlay_edit, &verb_overlay_build,
        &verb_overlay_import, &verb_overlay_revert, &verb_overlay_wipe, &verb_overlay_wipe_cache,
        &verb_overlay_delete, &verb_job_list, &verb_job_show, &verb_job_wait, &verb_job_log, &verb_job_cancel,
        NULL};

/* How many words of `arguments` are the verb's name, 0 when they are not. */
static int verb_match(const Verb *verb, char **arguments)
{
        const char *blank = strchr(verb->name, ' ');
        size_t first = blank ? (size_t)(blank - verb->name) : strlen(verb->name);
        if (strlen(arguments[0]) != first || strncmp(verb->name, arguments[0], first) != 0)
                return 0;
        if (!blank)
                return 1;
        return arguments[1] && strcmp(blank + 1, arguments[1]) == 0 ? 2 : 0;
}

static void verb_fail(char **arguments)
{
        const char *family = arguments[0], *name = arguments[1];
        if (!is_family(family))
                (void)usage_fail("Unknown verb '%s'; see l4d2ctl --help.", family);
        else if (name)
                (void)usage_fail("Unknown verb '%s %s'; see l4d2ctl %s --help.", family, name, family);
        else
                (void)usage_fail("'%s' needs a verb of its own; see l4d2ctl %s --help.", family, family);
}

const Verb *verb_match_words(char ***arguments)
{
        for (const Verb *const *verb = verbs; *verb; verb++) {
                int words = verb_match(*verb, *arguments);
                if (words == 0)
                        continue;
                *arguments += words;
                return *verb;
        }
        return NULL;
}

const Verb *verb_find(char ***arguments)
{
        if (!**arguments)
                return &verb_list;
        const Verb *verb = verb_match_words(arguments);
        if (!verb)
                verb_fail(*arguments);
        return verb;
}
