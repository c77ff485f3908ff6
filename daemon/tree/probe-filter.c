/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/util.h"
#include "tree.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define ARRIVAL_TIMEOUT_MS 500

static int fail_unknown(const char *what)
{
        (void)fprintf(stderr, "Cannot try the address filter: %s: %s\n", what, g_strerror(errno));
        return FILTER_UNKNOWN;
}

int probe_filter(void)
{
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        struct pollfd arrival = {.events = POLLIN};
        int n;

        if (fd < 0)
                return fail_unknown("no socket");
        if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
                getsockname(fd, (struct sockaddr *)&address, &size) < 0)
                return fail_unknown("cannot use 127.0.0.1");
        /* What the filter stops on its way out is EPERM (tried on systemd 252 and 257). */
        if (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, size) < 0)
                return errno == EPERM ? FILTER_WORKS : fail_unknown("cannot send to 127.0.0.1");
        arrival.fd = fd;
        n = poll(&arrival, 1, ARRIVAL_TIMEOUT_MS);
        if (n < 0)
                return fail_unknown("cannot wait");
        if (n == 0) {
                (void)fputs("Cannot try the address filter: what was sent to 127.0.0.1 got lost\n", stderr);
                return FILTER_UNKNOWN;
        }
        return FILTER_INERT;
}
