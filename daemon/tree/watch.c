/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks every two seconds at how much space is free, and at how much the trees take: less often where to
 * count them takes more than a quarter of the time, as what fills them is held still meanwhile. */
#include "daemon/fd-message.h"
#include "daemon/util.h"
#include "hold.h"
#include "measure.h"
#include "tree.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

#define INTERVAL    (2 * G_USEC_PER_SEC)
#define REST_FACTOR 3 /* times as long as it has counted */

typedef struct Watch {
        uint64_t keep_free;
        int free_fd; /* whose filesystem has it */
        const TreeBound *bounds;
        size_t n_bounds;
        Hold hold;
        int status;
        gint64 looked; /* at the free space, CLOCK_MONOTONIC */
        gint64 due;    /* when the trees are measured again, CLOCK_MONOTONIC */
} Watch;

static int say(int status, uint64_t amount)
{
        (void)printf("%" PRIu64 "\n", amount);
        return fflush(stdout) == 0 ? status : TREE_FAILED;
}

static int check_free(Watch *w)
{
        struct statvfs fs;
        uint64_t available;

        w->looked = g_get_monotonic_time();
        if (fstatvfs(w->free_fd, &fs) < 0) {
                (void)fprintf(stderr, "%s: the free space cannot be told: %s\n", w->bounds[0].path,
                        g_strerror(errno));
                return TREE_FAILED;
        }
        available = (uint64_t)fs.f_bavail * fs.f_frsize;
        return available < w->keep_free ? say(TREE_SPACE_LOW, available) : TREE_DONE;
}

/* A count may take long, and others fill the disk too. */
static bool goes_on(void *userdata)
{
        Watch *w = userdata;

        if (w->status == TREE_DONE && g_get_monotonic_time() - w->looked >= INTERVAL)
                w->status = check_free(w);
        return w->status == TREE_DONE;
}

static int check_tree(Watch *w, size_t n)
{
        const TreeBound *b = &w->bounds[n];
        TreeSize size;
        int r = tree_measure(b, goes_on, w, &size);

        /* Who is not held may have moved something that was counted in both places: once more, before it
         * costs somebody a build. */
        if (r > 0)
                r = tree_measure(b, goes_on, w, &size);
        if (w->status != TREE_DONE)
                return w->status;
        if (r < 0)
                return r == -EMFILE ? TREE_TOO_DEEP : TREE_FAILED;
        if (size.bytes > b->bytes)
                return say(TREE_TOO_LARGE + TREE_SECOND * (int)n, size.bytes);
        if (size.names > b->names)
                return say(TREE_TOO_MANY + TREE_SECOND * (int)n, size.names);
        return TREE_DONE;
}

static void check_trees(Watch *w)
{
        gint64 begun = g_get_monotonic_time(), now;

        hold_begin(&w->hold);
        for (size_t n = 0; n < w->n_bounds && w->status == TREE_DONE; n++)
                w->status = check_tree(w, n);
        /* Who has passed a bound is held until systemd ends it. */
        if (w->status == TREE_DONE)
                hold_end(&w->hold);
        now = g_get_monotonic_time();
        /* A little early, so that the look at the free space which is nearest is not missed. */
        w->due = now + MAX(INTERVAL, REST_FACTOR * (now - begun)) - INTERVAL / 4;
}

int tree_watch(uint64_t keep_free, const TreeBound *bounds, size_t n_bounds)
{
        Watch w = {
                .keep_free = keep_free,
                .bounds = bounds,
                .n_bounds = n_bounds,
                .hold = HOLD_NONE,
                .status = TREE_DONE,
        };
        const struct timespec interval = {.tv_sec = INTERVAL / G_USEC_PER_SEC};
        bool is_last = false;
        sigset_t end;

        /* What is free in a tree that has a quota is what that leaves. So the first message on the standard
         * input has a file that lies beside it. */
        if (fd_message_receive(STDIN_FILENO, &w.free_fd, 1) < 0)
                w.free_fd = open(bounds[0].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)sigemptyset(&end);
        (void)sigaddset(&end, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &end, NULL);
        for (;;) {
                hold_receive(&w.hold);
                w.status = check_free(&w);
                if (w.status == TREE_DONE && (is_last || g_get_monotonic_time() >= w.due))
                        check_trees(&w);
                if (w.status != TREE_DONE || is_last)
                        return w.status;
                is_last = sigtimedwait(&end, NULL, &interval) == SIGTERM;
        }
}
