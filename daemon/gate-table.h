/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what, on one page: each member of each interface, the polkit action that covers it, and the
 * function that looks at the message for details. A member without a row is refused. */
#pragma once

#include "call.h"

typedef enum RowKind {
        ROW_READ,   /* answered at once by the object tree */
        ROW_ASK,    /* answered later, changes nothing */
        ROW_CHANGE, /* audited; its handler takes the Call */
} RowKind;

struct GateRow {
        const char *interface, *member;
        const char *signature;
        const char *action; /* full name */
        RowKind kind;
        /* Fills call->details and may choose call->action. The message stands at its start; it is NULL when
         * Can asks. `path` is the object's. Returns: FALSE with a HOST_ERROR, which is the answer. */
        gboolean (*examine)(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error);
};

/* Returns: NULL when there is none. */
const GateRow *gate_table_find(const char *interface, const char *member);
/* Returns: which of our interfaces the objects at this path have; NULL for a path that is none of ours. */
const char *gate_table_interface_of(const char *path);
