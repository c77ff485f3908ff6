/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which hosts a verb works on: this machine, or those of --host= and --machine=. */
#include "ctl.h"
#include <systemd/sd-bus.h>

void target_add(Ctl *ctl, const char *where, bool is_machine)
{
        ctl->targets = must(reallocarray(ctl->targets, ctl->n_targets + 1, sizeof *ctl->targets));
        ctl->targets[ctl->n_targets++] = (Target){where, is_machine};
}

int ctl_connect(Ctl *ctl)
{
        const Target *target = ctl->target;
        l4h_host *host;
        int r = !target              ? l4h_open_system(&host)
                : target->is_machine ? l4h_open_machine(target->where, &host)
                                     : l4h_open_remote(target->where, &host);
        if (r < 0)
                return r;
        l4h_unref(ctl->host);
        ctl->host = host;
        l4h_set_interactive(host, ctl->asks);
        return 0;
}

struct sd_bus *ctl_systemd(Ctl *ctl)
{
        const Target *target = ctl->target;
        if (ctl->systemd)
                return ctl->systemd;
        int r = !target              ? sd_bus_open_system(&ctl->systemd)
                : target->is_machine ? sd_bus_open_system_machine(&ctl->systemd, target->where)
                                     : sd_bus_open_system_remote(&ctl->systemd, target->where);
        return r < 0 ? NULL : ctl->systemd;
}

int target_open(Ctl *ctl, const Target *target)
{
        ctl->target = target;
        int r = ctl_connect(ctl);
        if (r >= 0)
                return EXIT_DONE;
        fprintf(stderr, "Cannot connect to the system bus%s%s: %s.\n", target ? " of " : "",
                target ? target->where : "", strerror(-r));
        return EXIT_FAILED;
}

void target_close(Ctl *ctl)
{
        ctl->host = l4h_unref(ctl->host);
        ctl->systemd = sd_bus_flush_close_unref(ctl->systemd);
}

bool has_several_targets(const Ctl *ctl)
{
        return ctl->n_targets > 1;
}

void target_print(const Ctl *ctl)
{
        if (has_several_targets(ctl))
                print_field("Host", format("%s", ctl->target->where));
}

int each_target(Ctl *ctl, int (*run)(Ctl *ctl, void *userdata), void *userdata)
{
        if (!has_several_targets(ctl))
                return run(ctl, userdata);
        int status = EXIT_DONE;
        for (size_t i = 0; i < ctl->n_targets; i++) {
                if (target_open(ctl, &ctl->targets[i]) != EXIT_DONE || run(ctl, userdata) != EXIT_DONE)
                        status = EXIT_FAILED;
                target_close(ctl);
        }
        return status;
}
