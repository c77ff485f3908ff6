/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"
#include "turns.h"

#include <polkit/polkit.h>

/* Kept once it could be had: it follows polkitd over restarts by itself, and making it takes several round
 * trips. One attempt at a time: a second one beside it takes a lock in the calling thread, which the first
 * holds for as long as polkitd does not answer. */
static PolkitAuthority *the_authority;
static bool is_getting_authority;
static GQueue waiting = G_QUEUE_INIT; /* AuthorityCheck: for that attempt's end */

struct AuthorityCheck {
        Turn turn;
        char *sender, *action;
        PolkitDetails *details;
        bool may_prompt, is_sent;
        AuthorityDone done; /* NULL: told already, or cancelled by the asker */
        void *userdata;
        GCancellable *cancellable;
        guint timer;
};

static void check_tell(AuthorityCheck *c, Verdict verdict, const char *message)
{
        AuthorityDone done = c->done;

        c->done = NULL;
        if (done)
                done(verdict, message, c->userdata);
}

static void check_finish(AuthorityCheck *c, Verdict verdict, const char *message)
{
        if (c->timer)
                g_source_remove(c->timer);
        check_tell(c, verdict, message);
        turn_end(&c->turn);
        g_object_unref(c->cancellable);
        g_object_unref(c->details);
        g_free(c->sender);
        g_free(c->action);
        g_free(c);
}

static void on_checked(GObject *source, GAsyncResult *result, gpointer userdata)
{
        AuthorityCheck *c = userdata;
        g_autoptr(GError) error = NULL;
        g_autoptr(PolkitAuthorizationResult) answer =
                polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result, &error);

        if (!answer) {
                g_dbus_error_strip_remote_error(error);
                check_finish(c, VERDICT_UNAVAILABLE, error->message);
        } else if (polkit_authorization_result_get_is_authorized(answer))
                check_finish(c, VERDICT_YES, NULL);
        else if (polkit_authorization_result_get_is_challenge(answer))
                check_finish(c, VERDICT_CHALLENGE, NULL);
        else
                check_finish(c, VERDICT_NO, NULL);
}

static void check_send(AuthorityCheck *c)
{
        g_autoptr(PolkitSubject) subject = polkit_system_bus_name_new(c->sender);

        c->is_sent = true;
        polkit_authority_check_authorization(the_authority, subject, c->action, c->details,
                c->may_prompt ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                              : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
                c->may_prompt ? c->cancellable : NULL, on_checked, c);
}

static void on_authority(GObject *source, GAsyncResult *result, gpointer userdata)
{
        g_autoptr(GError) error = NULL;
        AuthorityCheck *c;

        is_getting_authority = false;
        the_authority = polkit_authority_get_finish(result, &error);
        /* What one that fails makes room for waits for the next attempt. */
        for (guint n = waiting.length; n > 0 && (c = g_queue_pop_head(&waiting)); n--)
                if (the_authority)
                        check_send(c);
                else
                        check_finish(c, VERDICT_UNAVAILABLE, error->message);
}

static void check_begin(void *userdata)
{
        AuthorityCheck *c = userdata;

        if (the_authority) {
                check_send(c);
                return;
        }
        g_queue_push_tail(&waiting, c);
        if (!is_getting_authority)
                polkit_authority_get_async(NULL, on_authority, NULL);
        is_getting_authority = true;
}

/* Nobody waits for it any more. */
static void check_drop(AuthorityCheck *c)
{
        if (!c->is_sent) {
                g_queue_remove(&waiting, c);
                check_finish(c, VERDICT_UNAVAILABLE, NULL);
        } else if (c->may_prompt)
                g_cancellable_cancel(c->cancellable);
        /* A question without a prompt cannot be taken back. It keeps its place until polkit has answered, or
         * who comes and goes would heap them up there. */
}

static gboolean on_timeout(gpointer userdata)
{
        AuthorityCheck *c = userdata;
        g_autofree char *why = g_strdup_printf("polkit did not answer within %u s",
                c->may_prompt ? AUTHORITY_PROMPT_TIMEOUT : AUTHORITY_TIMEOUT);

        c->timer = 0;
        check_tell(c, VERDICT_UNAVAILABLE, why);
        check_drop(c);
        return G_SOURCE_REMOVE;
}

AuthorityCheck *authority_check(const char *sender, uid_t uid, const char *action, GHashTable *details,
        bool may_prompt, AuthorityDone done, void *userdata)
{
        static Turns *questions, *prompts;
        AuthorityCheck *c = g_new0(AuthorityCheck, 1);
        GHashTableIter iter;
        gpointer key, value;

        if (!questions) {
                questions = turns_new(AUTHORITY_QUESTIONS, AUTHORITY_PER_USER);
                prompts = turns_new(AUTHORITY_PROMPTS, AUTHORITY_PER_USER);
        }
        c->sender = g_strdup(sender);
        c->action = g_strdup(action);
        c->may_prompt = may_prompt;
        c->done = done;
        c->userdata = userdata;
        c->cancellable = g_cancellable_new();
        c->details = polkit_details_new();
        g_hash_table_iter_init(&iter, details);
        while (g_hash_table_iter_next(&iter, &key, &value))
                polkit_details_insert(c->details, key, value);
        c->timer = g_timeout_add_seconds(
                may_prompt ? AUTHORITY_PROMPT_TIMEOUT : AUTHORITY_TIMEOUT, on_timeout, c);
        turn_take(may_prompt ? prompts : questions, &c->turn, uid, check_begin, c);
        return c;
}

void authority_check_cancel(AuthorityCheck *c)
{
        c->done = NULL;
        check_drop(c);
}
