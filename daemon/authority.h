/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to polkit: may this bus name do this. Asynchronous; an error of any kind, or silence, is no
 * permission.
 *
 * A bus lets a connection wait for so many answers (dbus-daemon for 128), and polkit answers one question
 * after another: so questions are put in fair turns between users, those that wait for a password apart from
 * those that wait for nobody. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef enum Verdict {
        VERDICT_YES,
        VERDICT_CHALLENGE, /* after a password, perhaps */
        VERDICT_NO,
        VERDICT_UNAVAILABLE, /* polkit could not be asked, or did not answer */
} Verdict;

#define AUTHORITY_TIMEOUT        10 /* seconds, for a question without a prompt, its wait for a turn included */
#define AUTHORITY_PROMPT_TIMEOUT 300 /* seconds, for one that somebody must answer */

#define AUTHORITY_QUESTIONS 32 /* at polkit at once */
#define AUTHORITY_PROMPTS   64 /* and prompts, together less than the bus allows */
#define AUTHORITY_PER_USER  4  /* of either */

typedef struct AuthorityCheck AuthorityCheck;

/* `message` says why when VERDICT_UNAVAILABLE, NULL otherwise; borrowed. Never called before
 * authority_check() returns. */
typedef void (*AuthorityDone)(Verdict verdict, const char *message, void *userdata);

/* `uid`: the sender's, for the turns. `details`: char * -> char *, what polkit's rules can look up; borrowed.
 * `may_prompt`: an agent may ask for a password, which takes as long as it takes. */
AuthorityCheck *authority_check(const char *sender, uid_t uid, const char *action, GHashTable *details,
        bool may_prompt, AuthorityDone done, void *userdata);
/* The asker is gone: `done` is not called any more. */
void authority_check_cancel(AuthorityCheck *check);
