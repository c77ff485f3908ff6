/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds what fills a tree still while the tree is counted. Who counts a tree that somebody moves about in can
 * be led past any part of it: a build is told by inotify(7) which directory is read.
 *
 * It is held by the freezer of its control group. The two files for that come as one message on the standard
 * input, as soon as it runs; the service, which opened them, is not needed after that. */
#pragma once

typedef struct Hold {
        int freeze_fd, events_fd; /* negative: they have not come, or it is gone */
} Hold;

#define HOLD_NONE ((Hold){-1, -1})

/* Takes the files, when they have come. Without a word where the standard input is something else. */
void hold_receive(Hold *hold);
/* Returns when nothing of it moves any more, or when that takes too long. */
void hold_begin(Hold *hold);
void hold_end(Hold *hold);
