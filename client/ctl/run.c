/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verbs that do one thing to each instance or overlay named: start, stop, restart, mount, unmount, overlay
 * wipe; and to the host: reload. */
#include "ctl.h"
#include <systemd/sd-bus.h>
#include <unistd.h>

#define TRIES    20
#define PAUSE_US 250000

static int each(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name))
{
        int status = EXIT_DONE;
        for (; *names; names++)
                if (call(ctl->host, *names) < 0)
                        status = ctl_fail(ctl);
        return status;
}

int verb_start(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, l4h_instance_start);
}

int verb_stop(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, l4h_instance_stop);
}

int verb_restart(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, l4h_instance_restart);
}

/* The service ended in the middle, or is being started again after that, for which dbus-broker does not
 * wait. One that does not answer is asked no second time. */
static bool is_passing(l4h_host *host)
{
        return l4h_error_is_unreachable(host) && strcmp(l4h_error_name(host), SD_BUS_ERROR_TIMEOUT) != 0 &&
               !system_is_stopping();
}

/* The next call goes on from what is there. A unit whose mount fails by that would not start its server. */
static int persist(l4h_host *host, const char *name, int (*call)(l4h_host *host, const char *name))
{
        int r = call(host, name);
        for (int i = 1; i < TRIES && r < 0 && is_passing(host); i++) {
                usleep(PAUSE_US);
                r = call(host, name);
        }
        return r;
}

static int mount(l4h_host *host, const char *name)
{
        return persist(host, name, l4h_instance_mount);
}

int verb_mount(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, mount);
}

/* At shutdown the service may be gone before the mount units stop (ordering them would deadlock), and it is
 * not started any more. systemd then unmounts by itself. */
static int unmount(l4h_host *host, const char *name)
{
        int r = persist(host, name, l4h_instance_unmount);
        if (r < 0 && l4h_error_is_unreachable(host) && system_is_stopping()) {
                printf("The system is going down: %s is left for systemd to unmount.\n", name);
                return 0;
        }
        return r;
}

int verb_unmount(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, unmount);
}

int verb_overlay_wipe(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, l4h_overlay_wipe);
}

int verb_reload(Ctl *ctl, char **arguments)
{
        return l4h_manager_reload(ctl->host) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}
