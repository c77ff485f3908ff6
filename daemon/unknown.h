/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies below /var/lib/left4me and belongs to no instance, overlay or job that is known: a leftover of
 * another installation, or somebody's copy. It is reported, in the journal, on the bus and by l4d2ctl, and
 * kept: only a person can tell what it is worth. */
#pragma once

#include "host.h"

/* Before a number is given out: whether something stands already where its generation would be. Returns: a
 * sentence to be freed, or NULL. */
char *unknown_generation_in_way(Overlay *overlay);
/* The same for all that a job will make, before it has begun. */
char *unknown_in_way(Job *job);
/* Looks again; says so when it is not as it was. */
void unknown_refresh(Host *host);
