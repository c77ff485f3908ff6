/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold.h"
#include "daemon/util.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* What is still in the kernel then is in one long system call, after which it is held. */
#define PATIENCE_MSEC 1000

void hold_receive(Hold *h)
{
        char byte;
        struct iovec data = {&byte, sizeof(byte)};
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(Hold))];
        } control;
        struct msghdr message = {
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *c;

        if (h->freeze_fd >= 0 ||
                recvmsg(STDIN_FILENO, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(byte))
                return;
        c = CMSG_FIRSTHDR(&message);
        if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(Hold)))
                memcpy(h, CMSG_DATA(c), sizeof(*h));
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
