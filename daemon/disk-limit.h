/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What builds may take of the disk, and the sentences for when they take more. Who counts is the watcher
 * (job-watch.h) while a build runs, and the seal when it is done. */
#pragma once

#include "overlay.h"

#define RESULT_DISK_LIMIT "disk-limit"

/* Whether enough is free for a build of the overlay `name` to begin. Returns: FALSE with HOST_ERROR_NO_SPACE.
 */
gboolean disk_limit_check_free(const Host *host, const char *name, GError **error);

/* What the exit status of `left4me-tree watch` on a generation and a cache says. `amount` is what was
 * counted, or 0 when nobody knows any more. Returns: an owned sentence, NULL when no limit was passed. */
char *disk_limit_explain(const Overlay *overlay, int status, uint64_t amount);
/* The same for what the seal counted. */
char *disk_limit_explain_sealed(const Overlay *overlay, uint64_t bytes, uint64_t files);
/* The same for a unit that ended so. */
char *disk_limit_explain_end(const Overlay *overlay, const char *result, int exit_status);
