/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two lines by which a script says how far it is: those that sd_notify(3) knows, as systemd-importd
 * prints them, so that tools which speak to systemd need learn nothing new.
 *
 *   STATUS=Fetching c1m1_hotel.vpk
 *   X_PROGRESS=37.5%
 *
 * Everything else is log. Both come from hostile scripts and go to everybody by signal. */
#pragma once

#include <glib.h>

typedef enum ProgressLine { PROGRESS_NONE, PROGRESS_NUMBER, PROGRESS_TEXT } ProgressLine;

/* Returns: which of the two it is; only that one's `ret` is written: 0 to 1, or a text of at most 256 bytes
 * in which control characters and bytes that are not UTF-8 are replaced, owned by the caller. */
ProgressLine progress_parse(const char *line, size_t size, double *ret_number, char **ret_text);
