/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create, configure, overlay create, overlay configure: NAME KEY=VALUE... */
#include "ctl.h"
#include "dbus/names.h"

static int with_settings(Ctl *ctl, char **arguments, const char *const *keys,
        int (*call)(l4h_host *host, const char *name, const l4h_settings *settings))
{
        _cleanup_(settings_unrefp) l4h_settings *settings = NULL;
        int status = assign(arguments + 1, keys, &settings);
        if (status != EXIT_DONE)
                return status;
        return call(ctl->host, arguments[0], settings) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

int verb_create(Ctl *ctl, char **arguments)
{
        return with_settings(ctl, arguments, instance_keys, l4h_instance_create);
}

int verb_configure(Ctl *ctl, char **arguments)
{
        return with_settings(ctl, arguments, instance_keys, l4h_instance_configure);
}

int verb_overlay_create(Ctl *ctl, char **arguments)
{
        if (!ctl->kind || strcmp(ctl->kind, HOST_OVERLAY_KIND_SCRIPT) == 0)
                return with_settings(ctl, arguments, overlay_keys, l4h_overlay_create_script);
        if (strcmp(ctl->kind, HOST_OVERLAY_KIND_FILES) == 0)
                return with_settings(ctl, arguments, overlay_keys, l4h_overlay_create_files);
        return usage_fail("'%s' is no kind of overlay; there are " HOST_OVERLAY_KIND_SCRIPT
                          " and " HOST_OVERLAY_KIND_FILES ".",
                ctl->kind);
}

int verb_overlay_configure(Ctl *ctl, char **arguments)
{
        return with_settings(ctl, arguments, overlay_keys, l4h_overlay_configure);
}
