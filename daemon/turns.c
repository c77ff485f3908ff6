/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turns.h"

/* There is one while something of this user's waits or is at work. */
typedef struct User {
        uid_t uid;
        unsigned at_work;
        GQueue waiting; /* Turn */
} User;

struct Turns {
        unsigned max, max_per_user;
        unsigned at_work;
        GHashTable *users; /* uid -> User */
        GQueue next;       /* User: who has something that waits and may begin, in turn */
        gboolean is_advancing;
};

Turns *turns_new(unsigned max, unsigned max_per_user)
{
        Turns *t = g_new0(Turns, 1);

        t->max = max;
        t->max_per_user = max_per_user;
        t->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        return t;
}

void turns_free(Turns *t)
{
        g_hash_table_unref(t->users);
        g_free(t);
}

static User *user_get(Turns *t, uid_t uid)
{
        User *u = g_hash_table_lookup(t->users, GUINT_TO_POINTER(uid));

        if (!u) {
                u = g_new0(User, 1);
                u->uid = uid;
                g_hash_table_insert(t->users, GUINT_TO_POINTER(uid), u);
        }
        return u;
}

/* Puts the user where what has changed wants it. */
static void user_update(Turns *t, User *u)
{
        gboolean may_begin = u->waiting.length > 0 && u->at_work < t->max_per_user;
        GList *link = g_queue_find(&t->next, u);

        if (may_begin && !link)
                g_queue_push_tail(&t->next, u);
        else if (!may_begin && link)
                g_queue_delete_link(&t->next, link);
        if (u->waiting.length == 0 && u->at_work == 0)
                g_hash_table_remove(t->users, GUINT_TO_POINTER(u->uid));
}

/* What begins may end at once, or take another turn; that is seen in the next round of the outer loop, not on
 * a stack as high as the line is long. */
static void advance(Turns *t)
{
        if (t->is_advancing)
                return;
        t->is_advancing = TRUE;
        while (t->at_work < t->max && t->next.length > 0) {
                User *u = g_queue_pop_head(&t->next);
                Turn *turn = g_queue_pop_head(&u->waiting);

                t->at_work++;
                u->at_work++;
                turn->is_at_work = TRUE;
                user_update(t, u);
                turn->begin(turn->userdata);
        }
        t->is_advancing = FALSE;
}

void turn_take(Turns *t, Turn *turn, uid_t uid, TurnBegin begin, void *userdata)
{
        User *u = user_get(t, uid);

        *turn = (Turn){.turns = t, .uid = uid, .begin = begin, .userdata = userdata};
        g_queue_push_tail(&u->waiting, turn);
        user_update(t, u);
        advance(t);
}

void turn_end(Turn *turn)
{
        Turns *t = turn->turns;
        User *u;

        if (!t)
                return;
        turn->turns = NULL;
        u = user_get(t, turn->uid);
        if (turn->is_at_work) {
                t->at_work--;
                u->at_work--;
        } else
                g_queue_remove(&u->waiting, turn);
        user_update(t, u);
        advance(t);
}
