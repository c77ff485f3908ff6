/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies below /var/lib/left4me and belongs to no instance, overlay or job that is known: a leftover of
 * another installation, or somebody's copy. It is reported, in the journal, on the bus and by l4d2ctl, and
 * kept: only a person can tell what it is worth. */
#pragma once

#include "host.h"

/* Looks again; says so when it is not as it was. */
void unknown_refresh(Host *host);
