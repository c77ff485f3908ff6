/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold.h"
#include "daemon/fd-message.h"
#include "daemon/util.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>

/* What is still in the kernel then is in one long system call, after which it is held. */
#define PATIENCE_MSEC 1000

void hold_receive(Hold *h)
{
        int fds[2];

        if (h->freeze_fd < 0 && fd_message_receive(STDIN_FILENO, fds, G_N_ELEMENTS(fds)) >= 0)
                *h = (Hold){fds[0], fds[1]};
}

static void set_frozen(Hold *h, bool is_frozen)
{
        if (h->freeze_fd < 0 || write(h->freeze_fd, is_frozen ? "1" : "0", 1) == 1)
                return;
        /* It ended, and its control group with it. */
        close_fd(&h->freeze_fd);
        close_fd(&h->events_fd);
}

static bool is_frozen(const Hold *h)
{
        char text[256] = "";

        return pread(h->events_fd, text, sizeof(text) - 1, 0) <= 0 || strstr(text, "frozen 1");
}

void hold_begin(Hold *h)
{
        gint64 end = g_get_monotonic_time() / 1000 + PATIENCE_MSEC, now;

        set_frozen(h, true);
        while (h->freeze_fd >= 0 && !is_frozen(h) && (now = g_get_monotonic_time() / 1000) < end) {
                struct pollfd change = {.fd = h->events_fd, .events = POLLPRI};

                (void)poll(&change, 1, (int)(end - now));
        }
}

void hold_end(Hold *h)
{
        set_frozen(h, false);
}
