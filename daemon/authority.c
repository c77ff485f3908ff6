/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <polkit/polkit.h>

/* Kept once it could be had: it follows polkitd over restarts by itself, and making it takes several round
 * trips. One attempt at a time: a second one beside it takes a lock in the calling thread, which the first
 * holds for as long as polkitd does not answer. */
static PolkitAuthority *the_authority;
static bool is_getting_authority;
static GQueue waiting = G_QUEUE_INIT; /* AuthorityCheck: for that attempt's end */

struct AuthorityCheck {
        char *sender, *action;
        PolkitDetails *details;
        bool may_prompt, is_sent;
        AuthorityDone done; /* NULL: cancelled by the asker */
        void *userdata;
        GCancellable *cancellable;
        guint timer;
        bool is_timed_out;
};

static void check_finish(AuthorityCheck *c, Verdict verdict, const char *message)
{
        if (c->timer)
                g_source_remove(c->timer);
        if (c->done)
                c->done(verdict, message, c->userdata);
        g_object_unref(c->cancellable);
        g_object_unref(c->details);
        g_free(c->sender);
        g_free(c->action);
        g_free(c);
}

static guint check_timeout(const AuthorityCheck *c)
{
        return c->may_prompt ? AUTHORITY_PROMPT_TIMEOUT : AUTHORITY_TIMEOUT;
}

static void check_fail(AuthorityCheck *c, const GError *error)
{
        g_autofree char *why =
                c->is_timed_out ? g_strdup_printf("polkit did not answer within %u s", check_timeout(c))
                                : g_strdup(error->message);

        check_finish(c, VERDICT_UNAVAILABLE, why);
}

static void on_checked(GObject *source, GAsyncResult *result, gpointer userdata)
{
        AuthorityCheck *c = userdata;
        g_autoptr(GError) error = NULL;
        g_autoptr(PolkitAuthorizationResult) answer =
                polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), result, &error);

        if (!answer) {
                g_dbus_error_strip_remote_error(error);
                check_fail(c, error);
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
                c->cancellable, on_checked, c);
}

static void on_authority(GObject *source, GAsyncResult *result, gpointer userdata)
{
        g_autoptr(GError) error = NULL;
        AuthorityCheck *c;

        is_getting_authority = false;
        the_authority = polkit_authority_get_finish(result, &error);
        while ((c = g_queue_pop_head(&waiting)))
                if (the_authority)
                        check_send(c);
                else
                        check_fail(c, error);
}

static void check_wait(AuthorityCheck *c)
{
        g_queue_push_tail(&waiting, c);
        if (!is_getting_authority)
                polkit_authority_get_async(NULL, on_authority, NULL);
        is_getting_authority = true;
}

static gboolean on_timeout(gpointer userdata)
{
        AuthorityCheck *c = userdata;

        c->timer = 0;
        c->is_timed_out = true;
        if (c->is_sent)
                g_cancellable_cancel(c->cancellable);
        else {
                g_queue_remove(&waiting, c);
                check_fail(c, NULL);
        }
        return G_SOURCE_REMOVE;
}

AuthorityCheck *authority_check(const char *sender, const char *action, GHashTable *details, bool may_prompt,
        AuthorityDone done, void *userdata)
{
        AuthorityCheck *c = g_new0(AuthorityCheck, 1);
        GHashTableIter iter;
        gpointer key, value;

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
        c->timer = g_timeout_add_seconds(check_timeout(c), on_timeout, c);
        if (the_authority)
                check_send(c);
        else
                check_wait(c);
        return c;
}

void authority_check_cancel(AuthorityCheck *c)
{
        c->done = NULL;
        if (c->is_sent)
                g_cancellable_cancel(c->cancellable);
        else {
                g_queue_remove(&waiting, c);
                check_finish(c, VERDICT_UNAVAILABLE, NULL);
        }
}
