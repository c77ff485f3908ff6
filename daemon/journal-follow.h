/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who wants to be told of new lines in the journal follows it, in turns of the main loop: a few lines each,
 * after everything else that is to be done, however much is printed.
 *
 * One watch tells of changes to all followers: the kernel has few inotify instances for one user, and root's
 * are not ours alone. Each follower has an sd_journal of its own without one, which it opens again when the
 * watch says that journald has begun a new file. */
#pragma once

#include "journal.h"

typedef struct JournalFollower JournalFollower;

typedef struct JournalListener {
        /* Takes the line. `is_gap`: lines before it may be gone. Must not free the follower. */
        void (*line)(JournalLine *line, bool is_gap, void *userdata);
        /* After each turn, or NULL. `r` is 1 when there is more to read by now, 0 at the end, negative when
         * the follower reads no more. May free the follower. */
        void (*rest)(int r, void *userdata);
        void *userdata;
} JournalListener;
typedef void (*JournalEnded)(void *userdata);

/* Tells all lines behind the one of this cursor, from the first on when it is "". -ESTALE: it is gone. */
int journal_follow(const JournalLines *which, const char *cursor, const JournalListener *listener,
        JournalFollower **ret_follower);
/* Tells what the units' processes print, beginning with the last lines that are there already. */
int journal_follow_printed(
        const JournalLines *which, const JournalListener *listener, JournalFollower **ret_follower);
/* Reads on at the next turn. */
void journal_follower_look(JournalFollower *follower);
/* The same, with an eye to files that are new by now. */
void journal_follower_refresh(JournalFollower *follower);
/* Tells what the journal has by now, then calls `ended`, which may free the follower. */
void journal_follower_finish(JournalFollower *follower, JournalEnded ended);
void journal_follower_free(JournalFollower *follower);
