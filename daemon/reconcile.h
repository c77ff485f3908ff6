/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of the program: what the store says is compared with what systemd, the mount table and the
 * directories say. */
#pragma once

#include "host.h"

/* Called once, when systemd's states are known. */
void reconcile(Host *host);
/* Queues the deletion of generations that no job finished and no job makes or deletes. */
void reconcile_generations(Host *host);
