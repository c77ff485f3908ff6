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

#define WAIT_STEP 10000 /* microseconds */

typedef enum Action { ACTION_NONE, ACTION_KILL, ACTION_STOP, ACTION_WAIT } Action;

/* Returns: what is due now. */
static Action take_armed(FaultPoint point)
{
        g_autofree char *line = NULL;
        char name[64], action[8];
        unsigned count = 1;

        if (!g_file_get_contents(PATH_FAULT, &line, NULL, NULL))
                return ACTION_NONE;
        if (sscanf(line, "%63s %7s %u", name, action, &count) < 2 || !g_str_equal(name, names[point]))
                return ACTION_NONE;
        if (++hits < count)
                return ACTION_NONE;
        hits = 0;
        (void)unlink(PATH_FAULT);
        return g_str_equal(action, "stop")   ? ACTION_STOP
               : g_str_equal(action, "wait") ? ACTION_WAIT
                                             : ACTION_KILL;
}

void fault_point(FaultPoint point)
{
        Action due;

        g_mutex_lock(&lock);
        due = take_armed(point);
        g_mutex_unlock(&lock);
        /* To this thread: sent to the process, another could take it, and this one go on meanwhile. */
        if (due == ACTION_KILL || due == ACTION_STOP)
                (void)raise(due == ACTION_KILL ? SIGKILL : SIGSTOP);
        /* This thread alone, until the file is there again. */
        if (due == ACTION_WAIT)
                while (unlink(PATH_FAULT) < 0)
                        g_usleep(WAIT_STEP);
}
