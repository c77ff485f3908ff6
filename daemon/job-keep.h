/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long jobs are shown when they have ended: KeepFinishedJobs and KeepFinishedJobsSec of host.conf. The
 * last build of each overlay stays as long as the overlay, whose state comes from it. */
#pragma once

#include "host.h"

/* Drops what is too much or too old, in a turn of its own: callers still hold the job that ended. From then
 * on it comes again by itself when the next job is too old. */
void jobs_drop_old(Host *host);
