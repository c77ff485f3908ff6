/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a small transient unit prints: it writes into a memory file of ours, which nobody has to read while it
 * runs, and which is read once the unit has ended. */
#pragma once

#include "systemd1.h"

typedef struct Output Output;

/* Returns: 0 and a memory file to be given to the unit as its standard output. */
int output_new(Output **ret_output);
int output_fd(Output *output);
/* Returns: at most 4 KiB of what was written, made valid UTF-8, owned by the caller. */
char *output_read(Output *output);
void output_free(Output *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)

/* `text` is what the inspector printed, borrowed; NULL when it could not run. */
typedef void (*OutputDone)(const char *text, const GError *error, void *userdata);

/* Runs argv as an inspector (see systemd1_start_inspector()) to its end, and hands out what it printed. */
void output_of_inspector(
        Systemd1 *systemd, const char *unit, char *const *argv, OutputDone done, void *userdata);
