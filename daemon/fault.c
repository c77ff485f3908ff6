/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"
#include "paths.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FAULT_NAME(name) #name,
static const char *const names[N_FAULT_POINTS] = {FAULT_POINTS(FAULT_NAME)};

static GMutex lock; /* threads come to points too */
static unsigned hits;

/* Returns: the signal that is due now, or 0. */
static int take_armed(FaultPoint point)
{
        g_autofree char *line = NULL;
        char name[64], action[8];
        unsigned count = 1;

        if (!g_file_get_contents(PATH_FAULT, &line, NULL, NULL))
                return 0;
        if (sscanf(line, "%63s %7s %u", name, action, &count) < 2 || !g_str_equal(name, names[point]))
                return 0;
        if (++hits < count)
                return 0;
        hits = 0;
        (void)unlink(PATH_FAULT);
        return g_str_equal(action, "stop") ? SIGSTOP : SIGKILL;
}

void fault_point(FaultPoint point)
{
        int due;

        g_mutex_lock(&lock);
        due = take_armed(point);
        g_mutex_unlock(&lock);
        /* To this thread: sent to the process, another could take it, and this one go on meanwhile. */
        if (due)
                (void)raise(due);
}
