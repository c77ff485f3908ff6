/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to polkit: may this bus name do this. Asynchronous; an error of any kind, or silence, is no
 * permission. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum Verdict {
        VERDICT_YES,
        VERDICT_CHALLENGE, /* after a password, perhaps */
        VERDICT_NO,
        VERDICT_UNAVAILABLE, /* polkit could not be asked, or did not answer */
} Verdict;

#define AUTHORITY_TIMEOUT        10  /* seconds, for a question without a prompt */
#define AUTHORITY_PROMPT_TIMEOUT 300 /* seconds, for one that somebody must answer */

typedef struct AuthorityCheck AuthorityCheck;

/* `message` says why when VERDICT_UNAVAILABLE, NULL otherwise; borrowed. Never called before
 * authority_check() returns. */
typedef void (*AuthorityDone)(Verdict verdict, const char *message, void *userdata);

/* `details`: char * -> char *, what polkit's rules can look up; borrowed. `may_prompt`: an agent may ask for
 * a password, which takes as long as it takes. */
AuthorityCheck *authority_check(const char *sender, const char *action, GHashTable *details, bool may_prompt,
        AuthorityDone done, void *userdata);
/* The asker is gone: `done` is not called any more. */
void authority_check_cancel(AuthorityCheck *check);
