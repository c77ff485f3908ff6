/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate: every method call passes here before any handler sees it.
 *
 * A filter on the bus connection swallows each call, and
 *   1. finds its row in the table, or refuses it;
 *   2. asks the bus once who the caller is, and counts what is pending for that user;
 *   3. lets the row's function look at the arguments for details;
 *   4. asks polkit without a prompt; only on "challenge", and where the caller allows it, once more with one;
 *   5. puts the message back at the end of the read queue, marked, and lets the marked one through to its
 * handler.
 *
 * uid 0 passes without polkit: polkit runs no rules for root, and units must be able to mount when polkitd is
 * broken. The uids of game servers and of the sandbox pass nothing, whatever a rule says.
 *
 * Calls of one sender on one object stand in one line and leave it in the order they came. One that waits for
 * a password leaves the line, so nothing waits behind it. */
#pragma once

#include "call.h"
#include "gate-table.h"

/* Installs the filter. Returns: 0 or negative errno. */
int gate_new(sd_bus *bus, Host *host, Gate **ret_gate);
void gate_free(Gate *gate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gate, gate_free)

Host *gate_host(Gate *gate);

/* For call.c alone: a call's end. */
void gate_forget(Gate *gate, Call *call);
/* For call.c alone: the call of a message that a handler has now; NULL when it has no Call (ROW_READ). */
Call *gate_take(Gate *gate, sd_bus_message *m);

/* For can.c: whether the gate itself refuses this caller everything. */
bool gate_is_outcast(Gate *gate, uid_t uid);
