/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few helpers every file uses: cleanup of descriptors, and sentences for errno. */
#pragma once

#include <errno.h>
#include <glib.h>
#include <unistd.h>

static inline void close_fd(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd);
        *fd = -1;
}
#define _cleanup_close_ __attribute__((cleanup(close_fd)))

/* Takes the descriptor out of a _cleanup_close_ variable. Returns: the descriptor, now the caller's. */
static inline int steal_fd(int *fd)
{
        int taken = *fd;
        *fd = -1;
        return taken;
}

/* Writes a sentence for a person when the caller asked for one.
 * Returns: `r`, so that a failing function ends in one line. */
static inline G_GNUC_PRINTF(3, 4) int fail(int r, char **ret_message, const char *format, ...)
{
        if (ret_message) {
                va_list args;
                va_start(args, format);
                *ret_message = g_strdup_vprintf(format, args);
                va_end(args);
        }
        return r;
}
