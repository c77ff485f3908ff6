/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit trail: structured entries in the journal for each call that would change something, "accepted" or
 * "refused" when that is decided, "finished" when the outcome is known, joined by LEFT4ME_CALL. Refusals
 * beyond 20 a minute of one uid are counted into one line. */
#pragma once

#include "call.h"

void audit_accepted(const Call *call);
void audit_refused(const Call *call, const char *why);
/* `outcome`: "success" or the error's bus name. `job`: its object path, or NULL. */
void audit_finished(const Call *call, const char *outcome, const char *job);
