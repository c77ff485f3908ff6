/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fair turns: of many things that want to be done, so many are at work at once, so many of one user's, and
 * what waits goes on in turns between users. So nobody's thousand calls hold up another's one. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct Turns Turns;

typedef void (*TurnBegin)(void *userdata);

/* One thing, inside of what it is for. */
typedef struct Turn {
        Turns *turns; /* NULL: it neither waits nor is at work */
        uid_t uid;
        gboolean is_at_work;
        TurnBegin begin;
        void *userdata;
} Turn;

Turns *turns_new(unsigned max, unsigned max_per_user);
void turns_free(Turns *turns);

/* Calls `begin` when it is this one's turn, maybe before this returns; it then is at work until turn_end().
 */
void turn_take(Turns *turns, Turn *turn, uid_t uid, TurnBegin begin, void *userdata);
/* Done, or not wanted any more while it waited. Of one that has no turn: nothing. */
void turn_end(Turn *turn);
