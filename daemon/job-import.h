/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An import: left4me-unpack fills the next generation from an archive that came as a descriptor. The
 * descriptor is in this program's memory alone until the job's unit has it, so an import does not wait in the
 * queue, and its asker has no answer before. */
#pragma once

#include "job.h"

typedef struct ImportSettings {
        bool replaces;   /* the next generation does not start as a copy of the current one */
        char *file_name; /* what a VPK is called; NULL: not given */
} ImportSettings;
void import_settings_clear(ImportSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportSettings, import_settings_clear)

/* The job whose unit has the descriptor, or an error. Called exactly once, maybe before the starter returns.
 */
typedef void (*ImportDone)(Job *job, const GError *error, void *userdata);

/* Begins at once. `fd` stays the caller's. HOST_ERROR_BUSY when no slot is free, HOST_ERROR_INVALID_SETTING
 * for what is no readable regular file. */
void job_import_start(
        Overlay *overlay, int fd, const ImportSettings *settings, uid_t uid, ImportDone done, void *userdata);
