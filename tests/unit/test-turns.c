/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/turns.h"
#include <string.h>

/* What began, a letter each. */
static GString *begun;

typedef struct Thing {
        Turn turn;
        char letter;
        gboolean ends_at_once;
} Thing;

static void begin(void *userdata)
{
        Thing *thing = userdata;

        g_assert_true(thing->turn.is_at_work);
        g_string_append_c(begun, thing->letter);
        if (thing->ends_at_once)
                turn_end(&thing->turn);
}

static void take(Turns *turns, Thing *thing, uid_t uid, char letter)
{
        thing->letter = letter;
        turn_take(turns, &thing->turn, uid, begin, thing);
}

static void assert_begun(const char *letters)
{
        g_assert_cmpstr(begun->str, ==, letters);
        g_string_truncate(begun, 0);
}

/* a to f are one user's, x and y another's, z a third's. */
static void test_fair(void)
{
        Turns *turns = turns_new(3, 2);
        Thing a[6] = {}, x[2] = {}, z = {};

        for (int n = 0; n < 6; n++)
                take(turns, &a[n], 1, (char)('a' + n));
        assert_begun("ab"); /* as many as a user may have */
        take(turns, &x[0], 2, 'x');
        take(turns, &x[1], 2, 'y');
        take(turns, &z, 3, 'z');
        assert_begun("x"); /* as many as may be in all */
        turn_end(&a[0].turn);
        assert_begun("y"); /* came before z, and user 1 waits for a place of its own since now */
        turn_end(&a[1].turn);
        assert_begun("z");
        turn_end(&x[0].turn);
        assert_begun("c");
        turn_end(&x[1].turn);
        assert_begun("d");
        turn_end(&z.turn);
        assert_begun("");
        turn_end(&a[2].turn);
        assert_begun("e");
        turn_end(&a[3].turn);
        turn_end(&a[4].turn);
        turn_end(&a[5].turn);
        assert_begun("f");
        turns_free(turns);
}

static void test_leaving(void)
{
        Turns *turns = turns_new(1, 1);
        Thing a = {}, b = {}, c = {}, x = {};

        take(turns, &a, 1, 'a');
        take(turns, &b, 1, 'b');
        take(turns, &x, 2, 'x');
        take(turns, &c, 1, 'c');
        assert_begun("a");
        turn_end(&x.turn);
        turn_end(&b.turn);
        turn_end(&b.turn); /* it has none any more */
        assert_begun("");
        turn_end(&a.turn);
        assert_begun("c");
        turn_end(&c.turn);
        take(turns, &x, 2, 'x');
        assert_begun("x");
        turn_end(&x.turn);
        turns_free(turns);
}

static void test_ends_at_once(void)
{
        enum { MANY = 100000 };
        Turns *turns = turns_new(1, 1);
        g_autofree Thing *things = g_new0(Thing, MANY);
        Thing first = {};

        take(turns, &first, 1, 'a');
        for (int n = 0; n < MANY; n++) {
                things[n].ends_at_once = TRUE;
                take(turns, &things[n], 1, 'b');
        }
        assert_begun("a");
        turn_end(&first.turn);
        g_assert_cmpuint(begun->len, ==, MANY);
        g_string_truncate(begun, 0);
        turns_free(turns);
}

int main(int argc, char *argv[])
{
        begun = g_string_new(NULL);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/turns/fair", test_fair);
        g_test_add_func("/turns/leaving", test_leaving);
        g_test_add_func("/turns/ends-at-once", test_ends_at_once);
        return g_test_run();
}
